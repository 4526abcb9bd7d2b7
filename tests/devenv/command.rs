//! `primetech dev`, the program itself: what its `dev.json` promises holds, and it ends and recovers as promised.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sqlx::PgPool;

/// A running `primetech dev`. Killed where it is still running when dropped.
struct Dev {
    process: Child,
    description: Value,
    http: Client,
}

fn primetech(folder: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_primetech"));
    // Where PostgreSQL's programs are looked for; nothing of the configuration.
    program.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
    program.current_dir(folder).stdin(Stdio::null());
    program
}

fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < patience, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

impl Dev {
    fn start(folder: &Path, words: &[&str]) -> Self {
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut program = primetech(folder);
        program.args(["dev", "--port", "0"]).args(words);
        program.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = program.spawn().unwrap();
        let path = folder.join(".data/dev.json");
        // After a kill there is one of before, until the next start takes it away.
        let mut description = Value::Null;
        let pid = process.id();
        until("it is ready", Duration::from_secs(90), || {
            assert!(
                process.try_wait().unwrap().is_none(),
                "{}",
                fs::read_to_string(folder.join("log")).unwrap()
            );
            let written = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            description = written.unwrap_or_default();
            description.is_object() && is_served_by(pid, text(&description["apiBase"]))
        });
        Self { process, description, http: Client::new() }
    }

    /// Asks it to end as the system or a person does, and waits until it has.
    fn end(mut self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        until("it has ended", Duration::from_secs(30), || self.process.try_wait().unwrap().is_some());
        assert!(self.process.wait().unwrap().success());
    }

    fn shop(&self, slug: &str) -> &Value {
        let shops = self.description["tenants"].as_array().unwrap();
        shops.iter().find(|shop| shop["slug"] == slug).unwrap()
    }

    async fn send(
        &self,
        base: &str,
        method: Method,
        shop: &Value,
        path: &str,
        cookie: &str,
        body: Value,
    ) -> Response {
        let request = self.http.request(method, format!("{base}{path}"));
        let request = request.header("host", text(&shop["host"])).header("cookie", cookie);
        let request = if body.is_null() { request } else { request.json(&body) };
        request.send().await.unwrap()
    }

    async fn json(&self, method: Method, shop: &Value, path: &str, cookie: &str, body: Value) -> Value {
        let base = text(&self.description["apiBase"]);
        let response = self.send(base, method, shop, path, cookie, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Signs in at a process that serves this installation.
    async fn log_in(&self, base: &str, shop: &Value, who: &Value) -> String {
        let response = self.send(base, Method::POST, shop, "/api/auth/login", "", who.clone()).await;
        assert_eq!(response.status(), 200, "{who}");
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Whether the port of `base` is this process's: one of an earlier run may be described still.
fn is_served_by(pid: u32, base: &str) -> bool {
    let Some(port) = base.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()) else { return false };
    let Ok(table) = fs::read_to_string(format!("/proc/{pid}/net/tcp")) else { return false };
    let listens = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.get(1)?.ends_with(&format!(":{port:04X}")) && fields.get(3) == Some(&"0A"))
            .then(|| fields.get(9).copied().map(str::to_owned))?
    };
    let Some(inode) = table.lines().find_map(listens) else { return false };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let is_socket = |path: PathBuf| path.to_string_lossy() == format!("socket:[{inode}]");
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(is_socket)
}

fn is_open(url: &str) -> bool {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    TcpStream::connect(address).is_ok()
}

/// A `primetech serve` beside it, on the environment that it describes.
fn serve_beside(dev: &Dev, folder: &Path) -> (Child, String) {
    let mut program = primetech(folder);
    program.arg("serve").stderr(Stdio::piped());
    for (name, value) in dev.description["env"].as_object().unwrap() {
        program.env(name, text(value));
    }
    let mut process = program.env("PORT", "0").spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it serves").unwrap();
        if let Some((_, address)) = line.split_once("address=") {
            break address.trim().to_owned();
        }
    };
    // Read on, so that it never waits for a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (process, format!("http://{address}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_brings_up_everything_that_it_describes_and_ends_it_all() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    let description = &dev.description;
    let (demo, acme) = (dev.shop("demo"), dev.shop("acme"));
    assert_eq!((&demo["host"], &acme["host"]), (&json!("127.0.0.1"), &json!("acme.localhost")));
    assert_eq!(description["env"]["RATE_LIMIT"], "on");
    assert_eq!(description["stripe"]["webhookSecret"], description["env"]["STRIPE_WEBHOOK_SECRET"]);

    let base = text(&description["apiBase"]).to_owned();
    for shop in [demo, acme] {
        let products = shop["products"].as_array().unwrap();
        let kinds: BTreeSet<&str> = products.iter().map(|product| text(&product["kind"])).collect();
        assert!(kinds.iter().copied().eq(["DOWNLOAD", "LICENCE", "SERVICE"]), "{shop}");
        let admin = dev.log_in(&base, shop, &shop["admin"]).await;
        let me = dev.json(Method::GET, shop, "/api/auth/me", &admin, Value::Null).await;
        assert_eq!((&me["user"]["role"], &me["tenant"]["slug"]), (&json!("ADMIN"), &shop["slug"]));
        let releases = dev.json(Method::GET, shop, "/api/releases", "", Value::Null).await;
        let release = &releases["items"][0];
        let wish = json!({"operation": "download", "resource": {"type": "release", "id": release["id"]}});
        let signed = dev.json(Method::POST, shop, "/api/storage/signed-url", &admin, wish).await;
        assert!(text(&signed["url"]).starts_with(text(&description["s3"]["endpoint"])));
        let file = dev.http.get(text(&signed["url"])).send().await.unwrap();
        assert_eq!(file.bytes().await.unwrap().len() as u64, release["sizeBytes"], "{release}");
    }
    let currencies: BTreeSet<&str> =
        demo["products"].as_array().unwrap().iter().map(|product| text(&product["currency"])).collect();
    assert!(currencies.iter().copied().eq(["EUR", "JPY", "USD"]));
    let hosts = ["localhost", "demo.localhost"];
    for host in hosts {
        let other = json!({"host": host});
        dev.json(Method::GET, &other, "/api/releases", "", Value::Null).await;
    }

    let customer = dev.log_in(&base, demo, &demo["customer"]).await;
    let expired = format!("/api/licences/{}", text(&demo["licences"][0]["key"]));
    let expired = dev.json(Method::GET, demo, &expired, &customer, Value::Null).await;
    assert_eq!(expired["licence"]["status"], "EXPIRED");

    // A purchase: the stand-in says whose it is, takes the money and tells of it.
    let cart = json!({"items": [{"sku": "editor-pro-jpy", "quantity": 1}]});
    let started = dev.json(Method::POST, demo, "/api/checkout/start", &customer, cart).await;
    assert_eq!((&started["order"]["currency"], &started["order"]["total"]), (&json!("JPY"), &json!(7000)));
    let stripe = text(&description["stripe"]["apiBase"]).trim_end_matches('/').to_owned();
    let session = text(&started["checkout"]["sessionId"]);
    let asked = dev.http.get(format!("{stripe}/v1/checkout/sessions/{session}"));
    let asked = asked.bearer_auth(text(&description["env"]["STRIPE_SECRET_KEY"])).send().await.unwrap();
    let told: Value = asked.error_for_status().unwrap().json().await.unwrap();
    assert_eq!(told["metadata"]["orderId"], started["order"]["id"]);
    assert_eq!(told["client_reference_id"], started["order"]["id"]);
    let pay = dev.http.post(format!("{stripe}/_standin/sessions/{session}/pay")).json(&json!({})).send();
    assert!(pay.await.unwrap().status().is_success());
    let mails = || fs::read_dir(text(&description["mailDir"])).is_ok_and(|files| files.count() > 0);
    until("the customer is mailed", Duration::from_secs(20), mails);

    // A serving process beside it works on the same installation.
    let (mut beside, other_base) = serve_beside(&dev, folder.path());
    let there = dev.log_in(&other_base, demo, &demo["customer"]).await;
    let order = format!("/api/orders/{}", text(&started["order"]["number"]));
    let order = dev.send(&other_base, Method::GET, demo, &order, &there, Value::Null).await;
    let order: Value = order.json().await.unwrap();
    assert_eq!(order["order"]["status"], "PAID");
    beside.kill().unwrap();
    beside.wait().unwrap();

    // The URL sees every row; the role that the application takes sees none without a tenant, and cannot but obey.
    let pool = PgPool::connect(text(&description["databaseUrl"])).await.unwrap();
    let count = "SELECT count(*) FROM users";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await.unwrap(), 4);
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("SET ROLE primetech_app").execute(&mut *connection).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *connection).await.unwrap(), 0);
    let bypasses = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'primetech_app'";
    assert!(!sqlx::query_scalar::<_, bool>(bypasses).fetch_one(&mut *connection).await.unwrap());
    drop(connection);
    pool.close().await;

    let store = text(&description["s3"]["endpoint"]).to_owned();
    let pid = fs::read_to_string(folder.path().join(".data/postgres/pgdata/postmaster.pid")).unwrap();
    let postmaster = format!("/proc/{}", pid.lines().next().unwrap());
    assert!(Path::new(&postmaster).exists() && is_open(&stripe) && is_open(&store) && is_open(&base));
    dev.end("-TERM");
    assert!(!Path::new(&postmaster).exists());
    assert!(!is_open(&stripe) && !is_open(&store) && !is_open(&base));
    assert!(!folder.path().join(".data/dev.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_keeps_what_is_there_and_recovers_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Dev::start(folder.path(), &[]);
    let account = json!({"email": "jane@example.com", "password": "correct horse battery staple"});
    let licences = first.shop("demo")["licences"].clone();
    let demo = first.shop("demo").clone();
    first.json(Method::POST, &demo, "/api/auth/register", "", account.clone()).await;
    first.process.kill().unwrap();
    first.process.wait().unwrap();

    let second = Dev::start(folder.path(), &["--no-rate-limit"]);
    let base = text(&second.description["apiBase"]).to_owned();
    second.log_in(&base, &demo, &account).await;
    assert_eq!(second.shop("demo")["licences"], licences, "it is not seeded again");
    assert_eq!(second.description["tenants"].as_array().unwrap().len(), 2);
    assert_eq!(second.description["env"]["RATE_LIMIT"], "off");
    assert_eq!(second.description["databaseUrl"], first.description["databaseUrl"]);
    second.end("-INT");
}
