//! Customers who buy, pay and activate, until they are told to leave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use primetech::dev::stripe::StripeStandIn;
use primetech_actors::random;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::server::Serving;

const AT_ONCE: usize = 4;

/// All that was answered for one purchase.
#[derive(Debug, Clone)]
pub struct Purchase {
    pub order: String,
    pub invoice: String,
    pub receipt: String,
    pub licence: String,
    pub device: String,
}

pub struct Customers {
    bought: Arc<Mutex<Vec<Purchase>>>,
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// A customer's way to the shop and to the provider's page.
struct Customer {
    http: reqwest::Client,
    api: String,
    stripe: String,
    cookie: String,
}

impl Customers {
    pub async fn come(serving: &Serving, stripe: &StripeStandIn) -> Self {
        let (bought, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let mut tasks = Vec::new();
        for _ in 0..AT_ONCE {
            let customer = Customer::register(&serving.address, stripe.base_url()).await;
            let (bought, is_over): (Arc<Mutex<Vec<Purchase>>>, _) =
                (Arc::clone(&bought), Arc::clone(&is_over));
            tasks.push(tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let purchase = customer.buy().await;
                    bought.lock().unwrap().push(purchase);
                }
            }));
        }
        Self { bought, is_over, tasks }
    }

    pub fn purchases(&self) -> Vec<Purchase> {
        self.bought.lock().unwrap().clone()
    }

    /// Waits until so many purchases are done.
    pub async fn have_bought(&self, count: usize) {
        let begun = Instant::now();
        while self.purchases().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody buys any more");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets them finish what they are at.
    pub async fn leave(self) -> Vec<Purchase> {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.bought.lock().unwrap().clone()
    }
}

impl Customer {
    async fn register(address: &str, stripe: &str) -> Self {
        let mut customer = Self {
            http: reqwest::Client::new(),
            api: format!("http://{address}/api"),
            stripe: format!("{}/_standin", stripe.trim_end_matches('/')),
            cookie: String::new(),
        };
        let email = format!("{}@example.com", random::opaque_id().simple());
        let body = json!({"email": email, "password": "correct horse battery staple"});
        let request =
            customer.http.post(format!("{}/auth/register", customer.api)).header("host", "acme.test");
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        customer.cookie = cookie.split(';').next().unwrap().to_owned();
        customer
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        let response =
            request.header("host", "acme.test").header("cookie", &self.cookie).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn buy(&self) -> Purchase {
        let (http, api) = (&self.http, &self.api);
        let items = json!({"items": [{"sku": "editor", "quantity": 1}]});
        let started = self.ask(http.post(format!("{api}/checkout/start")).json(&items)).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let session = text(&started["checkout"]["sessionId"]);
        let paid =
            http.post(format!("{}/sessions/{session}/pay", self.stripe)).json(&json!({"outcome": "paid"}));
        assert!(paid.send().await.unwrap().status().is_success());
        let number = text(&started["order"]["number"]);
        let order = self.ask(http.get(format!("{api}/orders/{number}"))).await;
        let licences = self.ask(http.get(format!("{api}/licences?limit=1"))).await;
        let licence = text(&licences["items"][0]["key"]);
        let device = format!("device-{}", random::opaque_id().simple());
        let body = json!({"licKey": licence, "fingerprint": device});
        self.ask(http.post(format!("{api}/licences/activate")).json(&body)).await;
        Purchase {
            order: number,
            invoice: text(&started["invoice"]["number"]),
            receipt: text(&order["order"]["receiptNumber"]),
            licence,
            device,
        }
    }
}
