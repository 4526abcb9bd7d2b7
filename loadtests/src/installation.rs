//! The running installation, found by its `dev.json`.

use std::path::Path;

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::Failure;

pub struct Installation {
    pub base: String,
    pub stripe: String,
    /// Sees every row.
    pub database: PgPool,
    pub http: Client,
}

/// A signed-in customer of the `demo` shop.
#[derive(Clone)]
pub struct Customer {
    cookie: String,
}

impl Installation {
    pub async fn find(data_directory: &Path) -> Result<Self, Failure> {
        let path = data_directory.join("dev.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error} (is `primetech dev` running?)", path.display()))?;
        let description: Value = serde_json::from_str(&text)?;
        let word = |value: &Value| value.as_str().map(|text| text.trim_end_matches('/').to_owned());
        let base = word(&description["apiBase"]).ok_or("dev.json names no apiBase")?;
        // Load is sent to this machine only.
        if !base.starts_with("http://127.0.0.1:") {
            return Err("only an installation on 127.0.0.1 is put under load".into());
        }
        let stripe = word(&description["stripe"]["apiBase"]).ok_or("dev.json names no stand-in")?;
        let database_url = word(&description["databaseUrl"]).ok_or("dev.json names no database")?;
        let database = PgPool::connect(&database_url).await?;
        Ok(Self { base, stripe, database, http: Client::new() })
    }

    pub async fn register(&self, email: &str) -> Result<Customer, Failure> {
        let body = json!({"email": email, "password": "correct horse battery staple"});
        let request = self.http.post(format!("{}/api/auth/register", self.base)).json(&body);
        let response = request.send().await?.error_for_status()?;
        let cookie = response.headers().get(SET_COOKIE).ok_or("no cookie was set")?.to_str()?;
        Ok(Customer { cookie: cookie.split(';').next().unwrap_or_default().to_owned() })
    }

    pub async fn start_checkout(&self, customer: &Customer) -> Result<(StatusCode, String), reqwest::Error> {
        let body = json!({"items": [{"sku": "editor-pro", "quantity": 1}]});
        let request =
            self.http.post(format!("{}/api/checkout/start", self.base)).header(COOKIE, &customer.cookie);
        let response = request.json(&body).send().await?;
        Ok((response.status(), response.text().await?))
    }

    /// A licence that was bought just now.
    pub async fn buy_licence(&self, customer: &Customer) -> Result<String, Failure> {
        let (status, text) = self.start_checkout(customer).await?;
        if status != StatusCode::CREATED {
            return Err(format!("a checkout was answered {status}: {text}").into());
        }
        let started: Value = serde_json::from_str(&text)?;
        let session = started["checkout"]["sessionId"].as_str().ok_or("no session")?;
        let pay = format!("{}/_standin/sessions/{session}/pay", self.stripe);
        self.http.post(pay).json(&json!({"outcome": "paid"})).send().await?.error_for_status()?;
        let licences = self.http.get(format!("{}/api/licences", self.base)).header(COOKIE, &customer.cookie);
        let licences: Value = licences.send().await?.error_for_status()?.json().await?;
        Ok(licences["items"][0]["key"].as_str().ok_or("no licence came of the payment")?.to_owned())
    }
}

/// Tells this run's rows from those of others.
#[allow(clippy::disallowed_methods, reason = "a name for a load test's rows guards nothing")]
pub fn run_id() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}
