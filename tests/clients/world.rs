//! The product as its customers have it: `primetech dev`, a customer who buys, and what happens to a licence afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Brought up, with PostgreSQL made anew, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct World {
    process: Child,
    beside: Option<Child>,
    pub description: Value,
    customer: String,
    http: Client,
    folder: TempDir,
}

/// A licence, and the payment that it came of.
pub struct Bought {
    pub key: String,
    payment: String,
}

fn primetech(folder: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_primetech"));
    // Where PostgreSQL's programs are looked for; nothing of the configuration.
    program.env_clear().envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME"));
    program.current_dir(folder).stdin(Stdio::null());
    program
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

impl World {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut program = primetech(folder.path());
        program.args(["dev", "--port", "0", "--no-rate-limit"]);
        let mut process = program.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let begun = Instant::now();
        let description = loop {
            // Written in one step, once it serves.
            if let Ok(written) = fs::read(folder.path().join(".data/dev.json")) {
                break serde_json::from_slice(&written).unwrap();
            }
            let log = || fs::read_to_string(folder.path().join("log")).unwrap();
            assert!(process.try_wait().unwrap().is_none(), "{}", log());
            assert!(begun.elapsed() < PATIENCE, "{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let http = Client::builder().no_proxy().build().unwrap();
        let mut world = Self { process, beside: None, description, customer: String::new(), http, folder };
        let login = world.shop()["customer"].clone();
        let url = format!("{}/api/auth/login", world.base());
        let response = world.http.post(url).json(&login).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        world.customer = cookie.split(';').next().unwrap().to_owned();
        world
    }

    pub fn base(&self) -> &str {
        text(&self.description["apiBase"])
    }

    pub fn address(&self) -> SocketAddr {
        self.base().trim_start_matches("http://").parse().unwrap()
    }

    pub fn shop(&self) -> &Value {
        let shops = self.description["tenants"].as_array().unwrap();
        shops.iter().find(|shop| shop["slug"] == "demo").unwrap()
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("{}{path}", self.base()));
        let request = request.header("cookie", &self.customer);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn stand_in(&self, path: &str, body: Value) -> Value {
        let base = text(&self.description["stripe"]["apiBase"]).trim_end_matches('/');
        let response = self.http.post(format!("{base}/_standin/{path}")).json(&body).send().await.unwrap();
        response.error_for_status().unwrap().json().await.unwrap()
    }

    pub async fn buy(&self, sku: &str) -> Bought {
        let cart = json!({"items": [{"sku": sku, "quantity": 1}]});
        let started = self.call(Method::POST, "/api/checkout/start", cart).await;
        let session = text(&started["checkout"]["sessionId"]);
        let paid = self.stand_in(&format!("sessions/{session}/pay"), json!({"outcome": "paid"})).await;
        let licences = self.call(Method::GET, "/api/licences", Value::Null).await;
        let licence = licences["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|licence| licence["orderNumber"] == started["order"]["number"])
            .unwrap();
        let payment = text(&paid["session"]["payment_intent"]).to_owned();
        Bought { key: text(&licence["key"]).to_owned(), payment }
    }

    /// The licence as its owner sees it.
    pub async fn licence(&self, key: &str) -> Value {
        self.call(Method::GET, &format!("/api/licences/{key}"), Value::Null).await["licence"].clone()
    }

    /// By the owner, on the shop's pages.
    pub async fn free(&self, key: &str) {
        self.call(Method::POST, "/api/licences/deactivate", json!({"licKey": key})).await;
    }

    pub async fn dispute(&self, bought: &Bought, action: &str) {
        self.stand_in(&format!("payment_intents/{}/dispute", bought.payment), json!({"action": action}))
            .await;
    }

    pub async fn refund(&self, bought: &Bought) {
        self.stand_in(&format!("payment_intents/{}/refund", bought.payment), json!({})).await;
    }

    pub async fn published_keys(&self) -> Value {
        self.call(Method::GET, "/.well-known/licence-keys.json", Value::Null).await
    }

    /// The address of another process on the same installation, which takes one licence call a minute.
    pub fn strict(&mut self) -> SocketAddr {
        let mut program = primetech(self.folder.path());
        for (name, value) in self.description["env"].as_object().unwrap() {
            program.env(name, text(value));
        }
        program.env("PORT", "0").env("RATE_LIMIT", "on").env("RATE_LIMIT_LICENCES", "1");
        let mut process = program.arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        self.beside = Some(process);
        let address = loop {
            let line = lines.next().expect("it serves").unwrap();
            if let Some((_, address)) = line.split_once("address=") {
                break address.trim().parse().unwrap();
            }
        };
        // Read on, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        address
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A kill would leave the temporary folder to processes that still end; asked, it ends them all first.
        for process in self.beside.iter_mut().chain([&mut self.process]) {
            let _asked = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
            let begun = Instant::now();
            while matches!(process.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _killed = process.kill();
            let _reaped = process.wait();
        }
    }
}
