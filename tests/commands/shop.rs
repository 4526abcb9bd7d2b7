//! A shop that sells, beside the commands: a serving process and a Stripe stand-in.

use hmac::{Hmac, KeyInit, Mac};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use primetech_actors::random;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::harness::{Answer, Installation, STRIPE_KEY, Serving, WEBHOOK_SECRET};

pub struct Shop {
    pub installation: Installation,
    pub serving: Serving,
    cookie: String,
    stripe: StripeStandIn,
    _stripe_folder: TempDir,
}

impl Shop {
    /// With one customer of `acme`.
    pub async fn open() -> Self {
        let installation = Installation::new().await;
        installation.with_two_tenants().await;
        let folder = tempfile::tempdir().unwrap();
        let settings = StandInConfig::new(folder.path(), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
        let stripe = StripeStandIn::start(settings).await.unwrap();
        let serving = installation.serve_beside(stripe.base_url());
        let made = installation.json("user create --tenant acme --email jane@acme.test");
        let cookie = serving.log_in("acme.test", "jane@acme.test", made["password"].as_str().unwrap()).await;
        Self { installation, serving, cookie, stripe, _stripe_folder: folder }
    }

    /// Where the provider's API is, and its control interface.
    pub fn stripe_base(&self) -> &str {
        self.stripe.base_url()
    }

    /// An order with its invoice, and a session to pay.
    pub async fn check_out(&self) -> Value {
        let body = json!({"items": [{"sku": "editor", "quantity": 2}]});
        self.serving.post("acme.test", "/api/checkout/start", &self.cookie, &body).await.expect(201).json()
    }

    pub async fn buy(&self) -> Value {
        let started = self.check_out().await;
        let total = started["order"]["total"].as_i64().unwrap();
        self.deliver(&event(&started, "checkout.session.completed", "paid", total)).await.expect(200);
        started
    }

    pub async fn let_expire(&self) -> Value {
        let started = self.check_out().await;
        let total = started["order"]["total"].as_i64().unwrap();
        self.deliver(&event(&started, "checkout.session.expired", "unpaid", total)).await.expect(200);
        started
    }

    /// Sends an event as Stripe does.
    pub async fn deliver(&self, event: &Value) -> Answer {
        #[allow(clippy::disallowed_methods, reason = "signatures are checked against the machine's time")]
        let now = chrono::Utc::now().timestamp();
        let payload = event.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{now}.{payload}").as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = format!("t={now},v1={signature}");
        let headers = [("stripe-signature", signature.as_str())];
        self.serving.send(Method::POST, "any.host", "/api/webhooks/stripe", &headers, Some(payload)).await
    }
}

/// An event about a started checkout's session.
pub fn event(started: &Value, kind: &str, payment_status: &str, amount: i64) -> Value {
    json!({
        "id": format!("evt_{}", random::opaque_id().simple()),
        "object": "event",
        "type": kind,
        "data": {"object": {
            "id": started["checkout"]["sessionId"],
            "object": "checkout.session",
            "payment_status": payment_status,
            "amount_total": amount,
            "currency": "usd",
            "payment_intent": format!("pi_{}", started["order"]["id"].as_str().unwrap()),
        }},
    })
}
