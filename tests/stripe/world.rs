//! A stand-in, an endpoint and a client of it, fresh for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use primetech_stripe::{CheckoutLine, NewCheckoutSession, PaymentProvider, ProviderTimeouts};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use crate::receiver::Receiver;

pub const SECRET_KEY: &str = "sk_test_51StandInKeyForTests";
pub const WEBHOOK_SECRET: &str = "whsec_testSecretOfTheStandIn";

/// A clock that tests move. It starts at a fixed time: nothing here depends on the machine's.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_790_000_000)))
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap()
    }

    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }
}

pub struct World {
    pub stand_in: StripeStandIn,
    pub receiver: Receiver,
    pub http: reqwest::Client,
    pub clock: TestClock,
    pub directory: TempDir,
}

pub fn config(directory: &TempDir, clock: &TestClock, endpoint: Option<String>) -> StandInConfig {
    let clock = clock.clone();
    StandInConfig {
        webhook_endpoint: endpoint,
        retry_first_delay: Duration::from_millis(20),
        clock: Arc::new(move || clock.now()),
        ..StandInConfig::new(
            directory.path(),
            SecretString::from(SECRET_KEY),
            SecretString::from(WEBHOOK_SECRET),
        )
    }
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub fn provider_at(base_url: &str, key: &str, timeouts: ProviderTimeouts) -> PaymentProvider {
    PaymentProvider::new(SecretString::from(key), Some(Url::parse(base_url).unwrap()), timeouts).unwrap()
}

/// Short, so that tests of silence are short.
pub fn quick() -> ProviderTimeouts {
    ProviderTimeouts {
        connect: Duration::from_millis(300),
        attempt: Duration::from_millis(300),
        overall: Duration::from_secs(3),
    }
}

impl World {
    pub async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let clock = TestClock::new();
        let receiver = Receiver::start().await;
        let stand_in =
            StripeStandIn::start(config(&directory, &clock, Some(receiver.url.clone()))).await.unwrap();
        Self { stand_in, receiver, http: http(), clock, directory }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stand_in.base_url())
    }

    pub fn provider(&self) -> PaymentProvider {
        provider_at(self.stand_in.base_url(), SECRET_KEY, ProviderTimeouts::default())
    }

    /// An order of two licences at 19.99 and a service at 5.00: 44.98.
    pub fn order(&self) -> NewCheckoutSession {
        self.order_in("USD", &[(1_999, 2), (500, 1)])
    }

    pub fn order_in(&self, currency: &str, lines: &[(i64, u32)]) -> NewCheckoutSession {
        let order_id = Uuid::from_u128(u128::from_be_bytes(*b"an order's id 16"));
        let line = |(number, (unit_amount, quantity)): (usize, &(i64, u32))| CheckoutLine {
            name: format!("Ware {number} <& söhne>"),
            unit_amount: *unit_amount,
            quantity: *quantity,
        };
        NewCheckoutSession {
            idempotency_key: "checkout-1".to_owned(),
            order_id,
            order_number: "ORD-20260930-AB12".to_owned(),
            tenant_id: Uuid::from_u128(7),
            currency: currency.to_owned(),
            lines: lines.iter().enumerate().map(line).collect(),
            customer_email: Some("ada@example.com".to_owned()),
            success_url: "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}".to_owned(),
            cancel_url: "https://shop.example/cart".to_owned(),
            expires_at: self.clock.now() + TimeDelta::hours(1),
        }
    }

    /// A session as the product makes it; its id.
    pub async fn session(&self) -> String {
        self.provider().create_checkout_session(&self.order()).await.unwrap().id
    }

    pub async fn control(&self, path: &str, body: Value) -> (u16, Value) {
        let response =
            self.http.post(self.url(&format!("/_standin/{path}"))).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// A control call that must succeed.
    pub async fn tell(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.control(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub async fn pay(&self, session: &str, outcome: &str) -> Value {
        self.tell(&format!("sessions/{session}/pay"), json!({ "outcome": outcome })).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.http.get(self.url(path)).bearer_auth(SECRET_KEY).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub async fn post(&self, path: &str, form: &str, key: Option<&str>) -> ApiResponse {
        let mut request = self.http.post(self.url(path)).bearer_auth(SECRET_KEY);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        ApiResponse::of(request.send().await.unwrap()).await
    }
}

#[derive(Debug)]
pub struct ApiResponse {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl ApiResponse {
    async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn replayed(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }

    /// The error's parameter, code and message.
    pub fn error(&self) -> (Value, Value, String) {
        let error = &self.json()["error"];
        (
            error["param"].clone(),
            error["code"].clone(),
            error["message"].as_str().unwrap_or_default().to_owned(),
        )
    }
}
