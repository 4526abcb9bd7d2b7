use std::convert::Infallible;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use primetech::dev::store::{ObjectStore, StoreOptions};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use serde_json::Value;

use crate::harness::{Installation, Ran, STRIPE_KEY, WEBHOOK_SECRET};

/// An installation with all that serving needs.
struct Whole {
    installation: Installation,
    stripe: StripeStandIn,
    store: ObjectStore,
}

impl Whole {
    async fn new() -> Self {
        let installation = Installation::new().await;
        let folder = installation.folder.path();
        let settings = StandInConfig::new(folder.join("stripe"), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
        let stripe = StripeStandIn::start(settings).await.unwrap();
        let store = ObjectStore::start(StoreOptions {
            root: folder.join("objects"),
            port: None,
            access_key: "key".to_owned(),
            secret_key: "secret".into(),
            bucket: "private".to_owned(),
        })
        .await
        .unwrap();
        Self { installation, stripe, store }
    }

    /// With some variables in place of the right ones.
    fn run(&self, changes: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut program = self.installation.program();
        program.arg("doctor").args(arguments).envs(self.installation.variables(self.stripe.base_url()));
        program.env("S3_ENDPOINT", self.store.endpoint()).envs(changes.iter().copied());
        program.output().unwrap().into()
    }

    /// What is told of each check; at least one of them is a fault.
    fn faulty(&self, changes: &[(&str, &str)]) -> Diagnosis {
        let ran = self.run(changes, &["--json"]).expect(1);
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{ran:?}");
        let diagnosis = Diagnosis(ran.json());
        assert_eq!(diagnosis.0["ok"], false);
        diagnosis
    }
}

struct Diagnosis(Value);

impl Diagnosis {
    /// The messages of a check's faults. Each comes with advice.
    fn faults(&self, name: &str) -> Vec<String> {
        let checks = self.0["checks"].as_array().unwrap();
        let of_it = checks.iter().filter(|check| check["name"] == name && check["status"] == "FAULT");
        of_it
            .map(|check| {
                assert!(check["advice"].as_str().is_some_and(|advice| advice.len() > 10), "{check}");
                check["message"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    #[track_caller]
    fn expect(&self, name: &str, part: &str) -> &Self {
        let faults = self.faults(name);
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part:?} is not of {name}: {:#}", self.0);
        self
    }

    #[track_caller]
    fn expect_only(&self, name: &str, part: &str) {
        self.expect(name, part);
        let checks = self.0["checks"].as_array().unwrap();
        let faults = checks.iter().filter(|check| check["status"] == "FAULT").count();
        assert_eq!(faults, 1, "{:#}", self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_installation_has_no_fault() {
    let whole = Whole::new().await;
    let diagnosis = whole.run(&[], &["--json"]).expect(0).json();
    assert_eq!(diagnosis["ok"], true);
    let state = |name: &str| {
        let checks = diagnosis["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}"))["status"]
            .clone()
    };
    for name in [
        "configuration",
        "signing key",
        "database",
        "database clock",
        "schema",
        "row-level security",
        "backlog",
        "store",
        "store clock",
        "stripe",
        "stripe clock",
        "mail",
    ] {
        assert_eq!(state(name), "OK", "{name}: {diagnosis:#}");
    }
    assert_eq!(state("redis"), "SKIPPED");
    let left = std::fs::read_dir(whole.installation.folder.path().join("objects/private/doctor"));
    assert_eq!(left.map_or(0, Iterator::count), 0, "the object is removed again");
    assert!(!whole.installation.folder.path().join("mail").exists(), "who looks changes nothing");
    let left = std::fs::read_dir(whole.installation.folder.path()).unwrap().flatten();
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".doctor")));
    let text = whole.run(&[], &[]).expect(0);
    assert!(
        text.stdout.contains("ok       store") && text.stderr.contains("0 faults, 0 warnings"),
        "{text:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_found_and_hides_no_other() {
    let whole = Whole::new().await;
    let diagnosis = whole.faulty(&[
        ("SESSION_SECRET", "hunter2"),
        ("DATABASE_URL", "postgres://jane:hunter2@127.0.0.1:1/none"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("SMTP_URL", "smtp://jane:hunter2@127.0.0.1:1"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1"),
        ("LICENCE_SIGNING_KEY", "hunter2"),
    ]);
    diagnosis
        .expect("configuration", "SESSION_SECRET must have 32 bytes")
        .expect("configuration", "LICENCE_SIGNING_KEY must be")
        .expect("database", "cannot be reached")
        .expect("store", "it answered 403")
        .expect("stripe", "does not know the key")
        .expect("mail", "not reached")
        .expect("redis", "cannot be used");
    whole.faulty(&[("S3_BUCKET_PRIVATE", "elsewhere")]).expect_only("store", "it answered 404");
    whole.faulty(&[("S3_ENDPOINT", "http://127.0.0.1:1")]).expect_only("store", "not reached");
    whole.faulty(&[("STRIPE_API_BASE", "http://127.0.0.1:1")]).expect_only("stripe", "cannot be reached");
    whole.faulty(&[("STRIPE_SECRET_KEY", "sk_live_hunter2")]).expect_only("stripe", "live Stripe key");
    let file = whole.installation.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    whole
        .faulty(&[("MAIL_DIR", file.to_str().unwrap())])
        .expect_only("mail", "the folder cannot be written to");
    let example = whole.run(&[("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")], &[]);
    assert!(example.expect(0).stdout.contains("that anyone can guess"), "a warning is no fault");
    let bare: Ran = whole.installation.program().env_clear().arg("doctor").output().unwrap().into();
    let text = bare.expect(1).stdout;
    for name in ["DATABASE_URL", "SESSION_SECRET", "STRIPE_SECRET_KEY", "S3_BUCKET_PRIVATE", "SMTP_URL"] {
        assert!(text.contains(&format!("{name} is missing")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_not_this_program_s_is_a_fault() {
    let whole = Whole::new().await;
    let installation = &whole.installation;
    installation.execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2").await;
    whole.faulty(&[]).expect_only("schema", "migration 2 differs from this program's");
    installation.execute("DELETE FROM _sqlx_migrations WHERE version > 2").await;
    installation.execute("UPDATE _sqlx_migrations SET success = false WHERE version = 2").await;
    whole.faulty(&[]).expect_only("schema", "migration 2 was started and not finished");
    installation.execute("DELETE FROM _sqlx_migrations WHERE version = 2").await;
    whole.faulty(&[]).expect_only("schema", "migration 2, 3, ");
    installation.execute("DROP TABLE _sqlx_migrations").await;
    whole.faulty(&[]).expect_only("schema", "no schema yet");
}

/// As during a deploy, and after a roll-back.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_ahead_is_a_fault_only_where_something_was_taken_away() {
    let whole = Whole::new().await;
    let applied = |version: i64, description: &str| {
        format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ({version}, '{description}', true, '', 0)"
        )
    };
    whole.installation.execute(&applied(9998, "contract from 0002 an old column")).await;
    let ahead = whole.run(&[], &["--json"]).expect(0).json();
    let schema = ahead["checks"].as_array().unwrap().iter().find(|check| check["name"] == "schema").unwrap();
    assert_eq!(schema["status"], "WARNING");
    assert!(schema["message"].as_str().unwrap().starts_with("migration 9998 is newer"), "{schema}");
    assert!(schema["advice"].as_str().unwrap().contains("deploy"), "{schema}");
    whole.installation.execute(&applied(9999, "contract from 9998 another column")).await;
    whole.faulty(&[]).expect_only("schema", "does not know was taken away");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_let_tenants_mix_is_a_fault() {
    let whole = Whole::new().await;
    let installation = &whole.installation;
    installation.with_two_tenants().await;
    installation.run("user create --tenant acme --email jane@acme.test").expect(0);
    const ISOLATION: &str = "row-level security";
    installation.execute("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY").await;
    whole.faulty(&[]).expect_only(ISOLATION, "it is not forced on orders");
    installation.execute("ALTER TABLE orders FORCE ROW LEVEL SECURITY").await;
    installation.execute("ALTER TABLE products OWNER TO primetech_app").await;
    whole.faulty(&[]).expect_only(ISOLATION, "primetech_app owns products");
    installation.execute("ALTER TABLE products OWNER TO CURRENT_USER").await;
    installation.execute("CREATE POLICY careless ON users USING (true)").await;
    whole.faulty(&[]).expect_only(ISOLATION, "sees users while no tenant is set");
    installation.execute("DROP POLICY careless ON users").await;
    whole.run(&[], &[]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_without_a_signature_is_a_fault() {
    let whole = Whole::new().await;
    let open = open_store().await;
    whole
        .faulty(&[("S3_ENDPOINT", &open)])
        .expect("store", "read without a signature")
        .expect("store", "listed without a signature");
}

/// A store that does whatever it is asked for, whoever asks.
async fn open_store() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = async |request: Request<Incoming>| {
        let _whole = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_answers_does_not_hold_the_doctor_up() {
    let whole = Whole::new().await;
    // Connections are taken by the system, and nobody ever reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let begun = Instant::now();
    let diagnosis = whole.faulty(&[
        ("DATABASE_URL", &format!("postgres://jane@{address}/none")),
        ("S3_ENDPOINT", &format!("http://{address}")),
        ("STRIPE_API_BASE", &format!("http://{address}")),
        ("SMTP_URL", &format!("smtp://{address}")),
        ("REDIS_URL", &format!("redis://{address}")),
    ]);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    for name in ["database", "store", "stripe", "mail", "redis"] {
        assert_eq!(diagnosis.faults(name).len(), 1, "{name}: {:#}", diagnosis.0);
    }
}
