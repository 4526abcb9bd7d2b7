//! An installation: a database of its own, and the program that is run on it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use primetech::schema;
use primetech_actors::random;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tempfile::TempDir;
use url::Url;

pub const STRIPE_KEY: &str = "sk_test_commands";
pub const WEBHOOK_SECRET: &str = "whsec_commands";

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("what is written is UTF-8");
        Self {
            code: output.status.code().expect("it ended by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Refused with `code`, telling all of `words`, and with nothing on standard output.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) {
        let ran = self.expect(code);
        assert_eq!(ran.stdout, "", "a refusal is told on standard error: {ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "{word:?} is not in {:?}", ran.stderr);
        }
    }

    /// The one document on standard output.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub struct Installation {
    pub database_url: String,
    pub pool: PgPool,
    pub folder: TempDir,
}

impl Installation {
    pub async fn new() -> Self {
        let installation = Self::without_schema().await;
        schema::migrate(&SecretString::from(installation.database_url.as_str())).await.unwrap();
        installation
    }

    pub async fn without_schema() -> Self {
        let database_url = new_database("").await;
        let pool = PgPool::connect(&database_url).await.unwrap();
        Self { database_url, pool, folder: tempfile::tempdir().unwrap() }
    }

    /// The program in an empty folder, with no variable but `DATABASE_URL`.
    pub fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_primetech"));
        program.env_clear().current_dir(self.folder.path()).env("DATABASE_URL", &self.database_url);
        program
    }

    /// Runs a line of arguments, which are separated by blanks.
    pub fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_words(&self, words: &[&str]) -> Ran {
        self.program().args(words).stdin(Stdio::null()).output().unwrap().into()
    }

    pub fn run_with_input(&self, line: &str, input: &str) -> Ran {
        let mut program = self.program();
        program.args(line.split_whitespace()).stdin(Stdio::piped());
        let mut running = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Dropped after it: the program sees its end. It may have ended before it read anything.
        let _refused_early = running.stdin.take().unwrap().write_all(input.as_bytes());
        running.wait_with_output().unwrap().into()
    }

    /// Runs a line that succeeds, and gives its document.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        self.run(&format!("{line} --json")).expect(0).json()
    }

    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    pub async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    /// Two tenants, `acme` at `acme.test` and `other` at `other.test`, each with a product of each kind.
    pub async fn with_two_tenants(&self) {
        self.execute(
            "INSERT INTO tenants (id, slug, name, created_at)
                 SELECT gen_random_uuid(), slug, slug, now() FROM unnest(ARRAY['acme', 'other']) AS slug;
             INSERT INTO tenant_domains (tenant_id, id, host, created_at)
                 SELECT id, gen_random_uuid(), slug || '.test', now() FROM tenants;
             INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
                 SELECT t.id, gen_random_uuid(), p.sku, p.kind, p.sku, 4900, 'USD', now(), now()
                 FROM tenants t, (VALUES ('editor', 'LICENCE'), ('icons', 'DOWNLOAD'), ('call', 'SERVICE')) AS p (sku, kind)",
        )
        .await;
    }

    /// What `primetech serve` needs on this database, beside a Stripe at `stripe`.
    pub fn variables(&self, stripe: &str) -> Vec<(&'static str, String)> {
        let text = str::to_owned;
        vec![
            ("NODE_ENV", text("test")),
            ("PORT", text("0")),
            ("DATABASE_URL", self.database_url.clone()),
            ("SESSION_SECRET", text("a secret for tests, of enough bytes")),
            ("APP_BASE_URL", text("https://front.example")),
            ("STRIPE_SECRET_KEY", text(STRIPE_KEY)),
            ("STRIPE_WEBHOOK_SECRET", text(WEBHOOK_SECRET)),
            ("STRIPE_API_BASE", text(stripe)),
            ("AWS_REGION", text("eu-central-1")),
            ("AWS_ACCESS_KEY_ID", text("key")),
            ("AWS_SECRET_ACCESS_KEY", text("secret")),
            ("S3_BUCKET_PRIVATE", text("private")),
            ("MAIL_FROM", text("shop@example.com")),
            ("MAIL_DIR", self.folder.path().join("mail").to_str().unwrap().to_owned()),
            ("LICENCE_SIGNING_KEY", text("uVqPkZ3sO0yJ4dJ5m3l1wQ9xk0m3n7c2b8v5a1s4d6c=")),
            ("RATE_LIMIT", text("off")),
        ]
    }

    /// A serving process on this database, which has no Stripe to talk to.
    pub fn serve(&self) -> Serving {
        self.serve_beside("http://127.0.0.1:1")
    }

    pub fn serve_beside(&self, stripe: &str) -> Serving {
        self.serve_logging(stripe, &[], |_| ())
    }

    /// With variables in place of the usual ones; each line that it logs is told.
    pub fn serve_logging(
        &self,
        stripe: &str,
        changes: &[(&'static str, String)],
        tell: impl Fn(String) + Send + 'static,
    ) -> Serving {
        let mut program = self.program();
        program.arg("serve").envs(self.variables(stripe)).envs(changes.iter().cloned());
        program.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = program.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it serves").unwrap();
            let address = line.split_once("address=").map(|(_, address)| address.trim().to_owned());
            tell(line);
            if let Some(address) = address.filter(|address| address.parse::<std::net::SocketAddr>().is_ok()) {
                break address;
            }
        };
        // Read on, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(tell));
        Serving { process, address, http: reqwest::Client::new() }
    }
}

/// A new database, and its URL for the superuser. `options` end the statement that makes it.
pub async fn new_database(options: &str) -> String {
    let server =
        std::env::var("TEST_DATABASE_URL").expect("run by scripts/test, which sets TEST_DATABASE_URL");
    let name = format!("commands_{}", random::opaque_id().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let statement = format!("CREATE DATABASE {name} {options}");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    let mut url = Url::parse(&server).unwrap();
    url.set_path(&name);
    url.into()
}

/// A serving process. Ends with this.
pub struct Serving {
    process: Child,
    pub address: String,
    http: reqwest::Client,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub cookie: Option<String>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    pub fn is_refused(&self, status: u16, code: &str) -> bool {
        self.status.as_u16() == status && self.json()["error"]["code"] == code
    }
}

impl Serving {
    pub async fn send(
        &self,
        method: Method,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request =
            self.http.request(method, format!("http://{}{path}", self.address)).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        Answer { status: response.status(), cookie, text: response.text().await.unwrap() }
    }

    pub async fn get(&self, host: &str, path: &str, cookie: &str) -> Answer {
        self.send(Method::GET, host, path, &[("cookie", cookie)], None).await
    }

    pub async fn post(&self, host: &str, path: &str, cookie: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("cookie", cookie)];
        self.send(Method::POST, host, path, &headers, Some(body.to_string())).await
    }

    /// Signs in, and gives the cookie.
    pub async fn log_in(&self, host: &str, email: &str, password: &str) -> String {
        let body = serde_json::json!({"email": email, "password": password});
        self.post(host, "/api/auth/login", "", &body).await.expect(200).cookie.unwrap()
    }
}

/// Waits until `holds`, for ten seconds at the most.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
