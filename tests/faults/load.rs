//! A mixed load: customers who buy, pay, activate, sign in and book, and who ask again under the same key where they
//! were told nothing certain.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use primetech_actors::random;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::watch;

use crate::memory::{Memory, Told, verify};
use crate::visitor::{Answer, PASSWORD, Visitor, licence, paid_event};
use crate::world::{HOST, LIMIT, World, stand_in, until};

/// Between two tries at what was not confirmed.
const PAUSE: Duration = Duration::from_millis(40);
/// Licences that all clients contend for; each client has one of its own besides.
const SHARED_LICENCES: usize = 3;

pub struct Load {
    stop: watch::Sender<bool>,
    /// All clients share one, so that they leave the machine's cores to what is tried.
    thread: JoinHandle<()>,
    pub memory: Arc<Memory>,
    /// Who the clients are.
    customers: Vec<String>,
}

struct Client {
    number: usize,
    visitor: Visitor,
    stripe: String,
    memory: Arc<Memory>,
    stop: watch::Receiver<bool>,
    random: SmallRng,
}

impl Load {
    pub async fn start(world: &World, clients: usize, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let memory = Arc::new(Memory::default());
        let mut waiting = Vec::new();
        for number in 0..clients {
            waiting.push(Client {
                number,
                visitor: Visitor::register(world).await,
                stripe: world.stripe.base_url().to_owned(),
                memory: Arc::clone(&memory),
                stop: stopped.clone(),
                random: SmallRng::seed_from_u64(seed.wrapping_add(number as u64)),
            });
        }
        let customers = waiting.iter().map(|client| client.visitor.email.clone()).collect();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(futures_util::future::join_all(waiting.into_iter().map(Client::run)));
        });
        Self { stop, thread, memory, customers }
    }

    /// Waits until so many more checkouts were confirmed than at this moment.
    pub async fn until_more(&self, orders: usize) {
        let before = self.memory.told().orders.len();
        let enough = async || {
            let told = self.memory.told();
            assert!(told.unexpected.is_empty(), "{:#?}", told.unexpected);
            told.orders.len() >= before + orders
        };
        until("the load goes on", LIMIT * 2, enough).await;
    }

    /// Lets each client end what it is at, with a certain answer, and gives what they were told.
    pub async fn finish(self) -> Told {
        self.stop.send_replace(true);
        tokio::task::spawn_blocking(|| self.thread.join()).await.unwrap().unwrap();
        self.memory.told()
    }

    /// The same, and reads everything back, also what the provider has yet to tell.
    pub async fn finish_and_verify(self, world: &World) -> Told {
        let customers = self.customers.clone();
        let told = self.finish().await;
        let unpaid = async || {
            let paid: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM orders WHERE id = ANY ($1::text[]::uuid[]) AND status = 'PAID'",
            )
            .bind(&told.paid_at_provider)
            .fetch_one(&world.pool)
            .await
            .unwrap();
            usize::try_from(paid).unwrap() == told.paid_at_provider.len()
        };
        until("the provider's events are dealt with", LIMIT * 2, unpaid).await;
        verify(world, &told).await;
        // Under one key nothing was done twice.
        let orders: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM orders o JOIN users u ON u.tenant_id = o.tenant_id AND u.id = o.user_id
             WHERE u.email = ANY ($1)",
        )
        .bind(&customers)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(orders, i64::try_from(told.begun).unwrap());
        assert_eq!(told.orders.len() as u64, told.begun, "each key has ended in an order");
        let bookings =
            world.count(&format!("SELECT count(*) FROM bookings WHERE email LIKE '%@{HOST}'")).await;
        assert_eq!(bookings, i64::try_from(told.bookings_begun).unwrap());
        for cookie in told.sessions.iter().take(40) {
            let visitor = Visitor { cookie: cookie.clone(), ..Visitor::unknown(world) };
            visitor.get("/api/auth/me").await.unwrap().expect(200);
        }
        eprintln!(
            "{} orders, {} accepted payments, {} told by the provider, {} activations, {} bookings, {} sign-ins: {:?}",
            told.orders.len(),
            told.paid.len(),
            told.paid_at_provider.len(),
            told.activations.len(),
            told.bookings.len(),
            told.sessions.len(),
            told.answers
        );
        told
    }
}

/// Whether an answer says that nothing certain was done, and that asking again is right.
fn says_ask_again(answer: &Answer) -> bool {
    matches!(
        (answer.status, answer.code()),
        (503, "DATABASE_UNAVAILABLE" | "OVERLOADED" | "STORAGE_UNAVAILABLE")
            | (504, "OUTCOME_UNKNOWN")
            | (502, "PAYMENT_PROVIDER_ERROR")
            | (409, "IDEMPOTENCY_IN_PROGRESS")
            | (500, "WEBHOOK_PROCESSING_FAILED")
    )
}

impl Client {
    async fn run(mut self) {
        while !*self.stop.borrow() {
            match self.random.random_range(0..20) {
                0..8 => self.buy().await,
                8..12 => self.use_own_licence().await,
                12..15 => self.contend_for_licence().await,
                15 => self.sign_in().await,
                16..18 => self.look().await,
                _ => self.book().await,
            }
        }
    }

    /// Asks until there is an answer that is certain. None where that takes too long, which is noted.
    async fn certain(&self, what: &str, call: impl AsyncFn() -> reqwest::Result<Answer>) -> Option<Answer> {
        let begun = Instant::now();
        loop {
            let answered = match call().await {
                Ok(answer) if !says_ask_again(&answer) => {
                    self.count(what, &answer.status.to_string());
                    return Some(answer);
                }
                Ok(answer) => format!("{} {}", answer.status, answer.code()),
                // The process is gone, or was in the middle of it.
                Err(_) => "no answer".to_owned(),
            };
            self.count(what, &answered);
            if begun.elapsed() > LIMIT * 3 {
                self.unexpected(format!("{what}: {answered} for {:?}", begun.elapsed()));
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn count(&self, what: &str, answered: &str) {
        self.memory.note(|told| *told.answers.entry(format!("{what}: {answered}")).or_default() += 1);
    }

    fn unexpected(&self, what: String) {
        self.memory.note(|told| told.unexpected.push(what));
    }

    /// The answer where it is one of `statuses`; another one is noted as unexpected.
    fn one_of(&self, what: &str, answer: Option<Answer>, statuses: &[u16]) -> Option<Answer> {
        let answer = answer?;
        if statuses.contains(&answer.status) {
            return Some(answer);
        }
        self.unexpected(format!("{what}: {} {}", answer.status, answer.text));
        None
    }

    async fn buy(&mut self) {
        let key = random::opaque_id().to_string();
        self.memory.note(|told| told.begun += 1);
        let answer = self.certain("checkout", async || self.visitor.check_out(&key).await).await;
        let Some(started) = self.one_of("checkout", answer, &[201]) else { return };
        let number = started.body["order"]["number"].as_str().unwrap().to_owned();
        self.memory.note(|told| told.orders.push(number));
        let order = started.body["order"]["id"].as_str().unwrap().to_owned();
        match self.random.random_range(0..4) {
            // Not every order is paid.
            0 => {}
            1 => {
                let session = started.body["checkout"]["sessionId"].as_str().unwrap();
                let wish = json!({"wait": false, "deliver": {"times": 2, "concurrent": true}});
                stand_in(&self.stripe, &format!("sessions/{session}/pay"), &wish).await;
                self.memory.note(|told| told.paid_at_provider.push(order));
            }
            _ => {
                let event = paid_event(&started.body);
                let deliver = async || self.visitor.deliver(&event).await;
                let (first, second) =
                    tokio::join!(self.certain("webhook", deliver), self.certain("webhook", deliver));
                let first = self.one_of("webhook", first, &[200]);
                if first.and(self.one_of("webhook", second, &[200])).is_some() {
                    self.memory.note(|told| told.paid.push(order));
                }
            }
        }
    }

    /// Moves a licence that nobody else uses to a device and off it again.
    async fn use_own_licence(&mut self) {
        let key = licence(SHARED_LICENCES + self.number);
        let device = format!("device-{}-{}", self.number, self.random.random::<u32>());
        let activated = self.certain("activate", async || self.visitor.activate(&key, &device).await).await;
        // 200 where an earlier try had done it.
        let Some(activated) = self.one_of("activate own", activated, &[201, 200]) else { return };
        let id = activated.body["activation"]["id"].as_str().unwrap().to_owned();
        self.memory.note(|told| told.activations.push(id.clone()));
        let body = json!({"licKey": key, "fingerprint": device});
        let validated =
            self.certain("validate", async || self.visitor.post("/api/licences/validate", &body).await).await;
        if let Some(validated) = self.one_of("validate", validated, &[200])
            && validated.body["code"] != "VALID"
        {
            self.unexpected(format!("a licence that was just activated: {}", validated.text));
        }
        self.leave(&body, id).await;
    }

    async fn contend_for_licence(&mut self) {
        let key = licence(self.random.random_range(0..SHARED_LICENCES));
        let device = format!("device-{}-{}", self.number, self.random.random::<u32>());
        let activated = self.certain("contend", async || self.visitor.activate(&key, &device).await).await;
        let Some(activated) = self.one_of("contend", activated, &[201, 200, 409]) else { return };
        if activated.status == 409 {
            return;
        }
        let id = activated.body["activation"]["id"].as_str().unwrap().to_owned();
        self.memory.note(|told| told.activations.push(id.clone()));
        self.leave(&json!({"licKey": key, "fingerprint": device}), id).await;
    }

    async fn leave(&self, device: &serde_json::Value, activation: String) {
        let left =
            self.certain("deactivate", async || self.visitor.post("/api/licences/deactivate", device).await);
        // 409 where an earlier try had done it.
        if let Some(left) = self.one_of("deactivate", left.await, &[200, 409]) {
            if left.status == 409 && left.code() != "LICENCE_NOT_ACTIVE_HERE" {
                self.unexpected(format!("deactivate: {}", left.text));
            }
            self.memory.note(|told| told.deactivations.push(activation));
        }
    }

    async fn sign_in(&mut self) {
        let body = json!({"email": self.visitor.email, "password": PASSWORD});
        let visitor = Visitor { cookie: String::new(), ..self.visitor.clone() };
        let answer = self.certain("login", async || visitor.post("/api/auth/login", &body).await).await;
        let Some(answer) = self.one_of("login", answer, &[200]) else { return };
        let cookie = answer.cookie.unwrap();
        self.memory.note(|told| told.sessions.push(cookie.clone()));
        self.visitor.cookie = cookie;
    }

    async fn look(&mut self) {
        let answer = self.certain("orders", async || self.visitor.get("/api/orders").await).await;
        self.one_of("orders", answer, &[200]);
        let body = json!({"licKey": licence(0)});
        let answer =
            self.certain("validate", async || self.visitor.post("/api/licences/validate", &body).await).await;
        self.one_of("validate", answer, &[200]);
    }

    async fn book(&mut self) {
        let key = random::opaque_id().to_string();
        let email = format!("{}@{HOST}", random::opaque_id().simple());
        let body = json!({"serviceSku": "call", "name": "Jane", "email": email});
        self.memory.note(|told| told.bookings_begun += 1);
        let book = async || self.visitor.post_once("/api/bookings", &key, &body).await;
        let answer = self.certain("booking", book).await;
        let Some(booked) = self.one_of("booking", answer, &[201]) else { return };
        let reference = booked.body["booking"]["bkgRef"].as_str().unwrap();
        self.memory.note(|told| told.bookings.push(format!("{email} {reference}")));
    }
}
