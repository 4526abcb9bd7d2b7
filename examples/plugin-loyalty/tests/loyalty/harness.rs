//! A shop whose program has the plug-in: a database of its own, a Stripe stand-in, and the application on a thread.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use plugin_loyalty::{Loyalty, LoyaltySettings};
use primetech::Program;
use primetech::app::{Application, Options};
use primetech::config::Variables;
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use primetech::schema;
use primetech_kernel::random;
pub use primetech_testkit::{ACME, DEMO, Visitor, until};
use primetech_testkit::{Instance, database};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::sync::oneshot;

const STRIPE_KEY: &str = "sk_test_loyalty";
const WEBHOOK_SECRET: &str = "whsec_loyalty";

const SEED: &str = "
    INSERT INTO tenants (id, slug, name, active, return_origins, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', 'demo', 'Demo', true, '{https://shop.example}', now()),
        ('00000000-0000-7000-8000-000000000002', 'acme', 'Acme', true, '{https://shop.example}', now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'demo.test', now()),
        ('00000000-0000-7000-8000-000000000002', gen_random_uuid(), 'acme.test', now());
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
        SELECT id, gen_random_uuid(), 'editor', 'LICENCE', 'Editor', 4950, 'USD', now(), now() FROM tenants;";

/// The program of `src/main.rs`.
pub fn program() -> Program {
    Program::new("primetech-with-loyalty").with(|runtime, adapters, settings: LoyaltySettings| {
        Loyalty::new(runtime, Arc::clone(&adapters.user_mail), settings)
    })
}

/// A running installation.
pub struct Shop {
    pub database_url: String,
    pub pool: PgPool,
    pub mail: TempDir,
    stripe: StripeStandIn,
    instance: Instance,
    http: reqwest::Client,
    _stripe_folder: TempDir,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub replayed: bool,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self.body
    }
}

impl Shop {
    pub async fn open() -> Self {
        let database_url = database::new(SEED).await;
        let migrations = program().describe().unwrap().shared().migrations().to_vec();
        schema::migrate_with(&database_url.as_str().into(), &migrations).await.unwrap();
        let pool = PgPool::connect(&database_url).await.unwrap();
        let (mail, stripe_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut stand_in = StandInConfig::new(stripe_folder.path(), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
        stand_in.retry_first_delay = Duration::from_millis(50);
        let stripe = StripeStandIn::start(stand_in).await.unwrap();
        let variables = variables(&database_url, stripe.base_url(), mail.path().to_str().unwrap());
        let serve = async move |tell: Sender<(SocketAddr, ())>, stopped: oneshot::Receiver<()>| {
            let variables: Variables = variables.iter().map(|(name, value)| (*name, value)).collect();
            let (config, extend) = program().configure(variables).unwrap();
            let mut options = Options { threads: Some(2), extend, ..Options::default() };
            options.limits.shutdown_notice = Duration::ZERO;
            let application = Application::build(config, options).unwrap();
            tell.send((application.address(), ())).unwrap();
            let until = async move {
                let _ended = stopped.await;
            };
            application.run_until(until).await.unwrap();
        };
        let (instance, ()) = Instance::start(serve);
        let address = instance.address;
        stripe.set_webhook_endpoint(&format!("http://{address}/api/webhooks/stripe")).unwrap();
        let http = reqwest::Client::new();
        Self { database_url, pool, mail, stripe, instance, http, _stripe_folder: stripe_folder }
    }

    pub async fn ask(
        &self,
        method: Method,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let url = format!("http://{}{path}", self.instance.address);
        let mut request = self.http.request(method, url).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, replayed) = (response.status(), response.headers().contains_key("idempotency-replayed"));
        let text = response.text().await.unwrap();
        Answer { status, replayed, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub async fn register(&self, host: &'static str) -> Visitor {
        let email = format!("{}@example.com", random::opaque_id().simple());
        let body = json!({"email": email, "password": "correct horse battery staple", "name": "Jane"});
        let url = format!("http://{}/api/auth/register", self.instance.address);
        let response = self.http.post(url).header("host", host).json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Visitor { host, cookie, email }
    }

    pub async fn points(&self, visitor: &Visitor) -> Value {
        let headers = [("cookie", visitor.cookie.as_str())];
        self.ask(Method::GET, visitor.host, "/api/loyalty/points", &headers, None).await.expect(200)
    }

    pub async fn redeem(&self, visitor: &Visitor, points: u32, key: Option<&str>) -> Answer {
        let mut headers = vec![("cookie", visitor.cookie.as_str())];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let body = json!({ "points": points });
        self.ask(Method::POST, visitor.host, "/api/loyalty/redeem", &headers, Some(&body)).await
    }

    /// An order of USD 49.50, paid at the stand-in. Gives the provider's events.
    pub async fn buy(&self, visitor: &Visitor) -> Value {
        let headers = [("cookie", visitor.cookie.as_str())];
        let body = json!({"items": [{"sku": "editor", "quantity": 1}]});
        let started = self
            .ask(Method::POST, visitor.host, "/api/checkout/start", &headers, Some(&body))
            .await
            .expect(201);
        let session = started["checkout"]["sessionId"].as_str().unwrap();
        self.stand_in(&format!("sessions/{session}/pay"), &json!({"deliver": {"times": 2}})).await
    }

    /// Asks the stand-in's control interface.
    pub async fn stand_in(&self, path: &str, body: &Value) -> Value {
        let base = self.stripe.base_url().to_string();
        let url = format!("{}/_standin/{path}", base.trim_end_matches('/'));
        let response = self.http.post(url).json(body).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap_or(Value::Null)
    }

    /// Runs the program itself on this installation.
    pub fn run(&self, arguments: &[&str], changes: &[(&str, &str)]) -> Output {
        let stripe = self.stripe.base_url().to_string();
        let variables = variables(&self.database_url, &stripe, self.mail.path().to_str().unwrap());
        run(
            arguments,
            variables.iter().map(|(name, value)| (*name, value.as_str())).chain(changes.iter().copied()),
        )
    }

    pub fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.mail.path()).unwrap().map(|entry| entry.unwrap().path());
        let text = |path| std::fs::read_to_string(path).unwrap().replace("=\r\n", "");
        files.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).map(text).collect()
    }
}

/// Runs the program in an environment of these variables alone.
pub fn run<'a>(arguments: &[&str], variables: impl Iterator<Item = (&'a str, &'a str)>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_primetech-with-loyalty"));
    command.args(arguments).env_clear().envs(variables).current_dir(folder.path());
    command.output().unwrap()
}

fn variables(database_url: &str, stripe: &str, mail: &str) -> BTreeMap<&'static str, String> {
    let variables = [
        ("NODE_ENV", "test"),
        ("PORT", "0"),
        ("DATABASE_URL", database_url),
        ("SESSION_SECRET", "a secret for tests, of enough bytes"),
        ("APP_BASE_URL", "https://front.example"),
        ("STRIPE_SECRET_KEY", STRIPE_KEY),
        ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("STRIPE_API_BASE", stripe),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "store-key"),
        ("AWS_SECRET_ACCESS_KEY", "store-secret"),
        ("S3_BUCKET_PRIVATE", "primetech-private"),
        // Nothing here needs the store.
        ("S3_ENDPOINT", "http://127.0.0.1:1"),
        ("MAIL_FROM", "shop@example.com"),
        ("MAIL_DIR", mail),
        ("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("RATE_LIMIT", "off"),
    ];
    variables.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}
