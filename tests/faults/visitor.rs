//! A client of the service, and what it is told.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use primetech_actors::clock::{Clock as _, SystemClock};
use primetech_actors::random;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{HOST, WEBHOOK_SECRET, World};

pub const PASSWORD: &str = "correct horse battery staple";

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub cookie: Option<String>,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// The canonical error's code; empty where it is none.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A refusal in the canonical form.
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert!(self.body["error"]["details"]["meta"]["requestId"].is_string(), "{}", self.text);
    }
}

/// Someone who talks to the service, signed in or not. Cheap to clone.
#[derive(Clone)]
pub struct Visitor {
    pub http: reqwest::Client,
    pub base: String,
    pub email: String,
    pub cookie: String,
}

impl Visitor {
    pub fn unknown(world: &World) -> Self {
        // Longer than any answer takes: a request that never ends is a fault of its own.
        let http = reqwest::Client::builder().timeout(Duration::from_secs(45)).build().unwrap();
        Self {
            http,
            base: format!("http://127.0.0.1:{}", world.port),
            email: String::new(),
            cookie: String::new(),
        }
    }

    /// Registers, as any customer would.
    pub async fn register(world: &World) -> Self {
        let mut visitor = Self::unknown(world);
        visitor.email = format!("{}@example.com", random::opaque_id().simple());
        let body = json!({"email": visitor.email, "password": PASSWORD, "name": "Jane"});
        let answer = visitor.post("/api/auth/register", &body).await.unwrap().expect(201);
        visitor.cookie = answer.cookie.unwrap();
        visitor
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).header("host", HOST);
        if !self.cookie.is_empty() {
            request = request.header("cookie", &self.cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status, cookie, text, body })
    }

    pub async fn get(&self, path: &str) -> reqwest::Result<Answer> {
        self.call(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        self.call(Method::POST, path, &[], Some(body.to_string())).await
    }

    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> reqwest::Result<Answer> {
        self.call(Method::POST, path, &[("idempotency-key", key)], Some(body.to_string())).await
    }

    pub async fn check_out(&self, key: &str) -> reqwest::Result<Answer> {
        let body = json!({"items": [{"sku": "editor", "quantity": 1}]});
        self.post_once("/api/checkout/start", key, &body).await
    }

    pub async fn activate(&self, licence: &str, fingerprint: &str) -> reqwest::Result<Answer> {
        let body = json!({"licKey": licence, "fingerprint": fingerprint});
        self.post("/api/licences/activate", &body).await
    }

    /// Delivers an event as the provider does, signed.
    pub async fn deliver(&self, event: &Value) -> reqwest::Result<Answer> {
        let payload = event.to_string();
        let now = SystemClock.now().timestamp();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{now}.{payload}").as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = format!("t={now},v1={signature}");
        let headers = [("stripe-signature", signature.as_str())];
        self.call(Method::POST, "/api/webhooks/stripe", &headers, Some(payload)).await
    }
}

/// `checkout.session.completed`, paid, of a started checkout.
pub fn paid_event(started: &Value) -> Value {
    let order = started["order"]["id"].as_str().unwrap();
    json!({
        "id": format!("evt_{order}"),
        "object": "event",
        "type": "checkout.session.completed",
        "data": {"object": {
            "id": started["checkout"]["sessionId"],
            "object": "checkout.session",
            "payment_status": "paid",
            "amount_total": started["order"]["total"],
            "currency": "usd",
            "payment_intent": format!("pi_{order}"),
        }},
    })
}

pub fn licence(number: usize) -> String {
    format!("LIC-TEST-0000-{number:04}")
}
