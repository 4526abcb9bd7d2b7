//! A shop with all its parts: a database of its own, a Stripe stand-in, and application instances on threads of their
//! own.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use primetech::app::{Application, Options};
use primetech::config::{Config, Variables};
use primetech::dev::store::{ObjectStore, StoreOptions};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use primetech_actors::clock::{Clock, SharedClock, SystemClock};
use primetech_actors::database::Database;
use primetech_actors::random;
use primetech_actors::stored_file::{StoredFile, object_key};
use primetech_actors::tenancy::registry;
use primetech_downloads::{self as downloads, NewRelease, ReleaseName, ReleaseView};
use primetech_s3::{Patience, Storage, StorageSettings};
use primetech_testkit::database;
pub use primetech_testkit::{ACME, Answer, DEMO, PASSWORD, Visitor, cookie_of, until};
use primetech_testkit::{Client, Instance};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::sync::{Mutex, oneshot};

use crate::conformance::DESCRIBED;
use crate::serving::Process;

const STORE_KEY: &str = "store-key";
const STORE_SECRET: &str = "store-secret";
const BUCKET: &str = "primetech-private";
const STRIPE_KEY: &str = "sk_test_harness";
const WEBHOOK_SECRET: &str = "whsec_harness";

const SEED: &str = "
    INSERT INTO tenants (id, slug, name, active, return_origins, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', 'demo', 'Demo', true, '{https://shop.example}', now()),
        ('00000000-0000-7000-8000-000000000002', 'acme', 'Acme', true, '{https://shop.example}', now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES
        ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'demo.test', now()),
        ('00000000-0000-7000-8000-000000000002', gen_random_uuid(), 'acme.test', now());
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
        SELECT t.id, gen_random_uuid(), p.sku, p.kind, p.name, p.amount, p.currency, now(), now()
        FROM tenants t, (VALUES
            ('editor', 'LICENCE', 'Editor', 4900, 'USD'),
            ('icons', 'DOWNLOAD', 'Icons', 1900, 'USD'),
            ('call', 'SERVICE', 'Call', 15000, 'USD'),
            ('editor-eur', 'LICENCE', 'Editor', 4500, 'EUR')) AS p (sku, kind, name, amount, currency);";

/// A running installation.
pub struct Shop {
    pub database_url: String,
    pub mail: TempDir,
    client: Client,
    stripe: StripeStandIn,
    store: Mutex<Option<ObjectStore>>,
    store_endpoint: String,
    instances: Vec<Instance>,
    http: reqwest::Client,
    _stripe_folder: TempDir,
    _store_folder: TempDir,
}

impl Deref for Shop {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_with(1).await
    }

    /// So many application instances on one database.
    pub async fn open_with(instances: usize) -> Self {
        Self::open_as(instances, &[]).await
    }

    /// With variables in place of the usual ones.
    pub async fn open_as(instances: usize, changes: &[(&str, &str)]) -> Self {
        Self::open_clocked(instances, changes, Arc::new(SystemClock)).await
    }

    /// With a clock that the test moves. The provider has its own, and so refuses checkouts of another day.
    pub async fn open_clocked(instances: usize, changes: &[(&str, &str)], clock: SharedClock) -> Self {
        let database_url = database::new(SEED).await;
        let (mail, stripe_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store_folder = tempfile::tempdir().unwrap();
        let store = ObjectStore::start(StoreOptions {
            root: store_folder.path().to_owned(),
            port: None,
            access_key: STORE_KEY.to_owned(),
            secret_key: STORE_SECRET.into(),
            bucket: BUCKET.to_owned(),
        });
        let store = store.await.unwrap();
        let mut stand_in = StandInConfig::new(stripe_folder.path(), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
        stand_in.retry_first_delay = Duration::from_millis(50);
        let stripe = StripeStandIn::start(stand_in).await.unwrap();
        let mail_folder = mail.path().to_str().unwrap();
        let store_endpoint = store.endpoint();
        let variables = variables(&database_url, stripe.base_url(), mail_folder, &store_endpoint, changes);
        let instances: Vec<Instance> =
            (0..instances).map(|_| start(variables.clone(), Arc::clone(&clock))).collect();
        stripe.set_webhook_endpoint(&format!("http://{}/api/webhooks/stripe", instances[0].address)).unwrap();
        let addresses = instances.iter().map(|instance| instance.address).collect();
        let client = Client::new(&database_url, addresses, Arc::clone(&DESCRIBED)).await;
        let http = reqwest::Client::new();
        Self {
            database_url,
            mail,
            client,
            stripe,
            store: Mutex::new(Some(store)),
            store_endpoint,
            instances,
            http,
            _stripe_folder: stripe_folder,
            _store_folder: store_folder,
        }
    }

    /// Ends all instances; what they wrote is left.
    pub fn stop(&mut self) {
        self.instances.clear();
    }

    pub async fn check_out(&self, visitor: &Visitor, items: Value) -> Value {
        self.post_as(0, visitor, "/api/checkout/start", &json!({"items": items})).await.expect(201).json()
    }

    /// As the operator does, once every instance has dropped what it knew of the tenant.
    pub async fn allow_origins(&self, slug: &str, origins: &[&str]) {
        let host = format!("{slug}.test");
        let body = json!({"items": [], "successUrl": format!("{}/", origins[0])});
        sqlx::query("UPDATE tenants SET return_origins = $2 WHERE slug = $1")
            .bind(slug)
            .bind(origins)
            .execute(&self.pool)
            .await
            .unwrap();
        let visitor = self.register(if host == DEMO { DEMO } else { ACME }).await;
        for instance in 0..self.instances() {
            let known = async || {
                let answer = self.post_as(instance, &visitor, "/api/checkout/start", &body).await;
                answer.faulty_fields() == ["items"]
            };
            until("the origins are allowed", known).await;
        }
    }

    /// A paid order of one unit, and its licence's key.
    pub async fn buy_licence(&self, visitor: &Visitor) -> (Value, String) {
        let started = self.check_out(visitor, json!([{"sku": "editor", "quantity": 1}])).await;
        self.deliver(0, &self.paid_event(&started, "pi_bought")).await.expect(200);
        let number = started["order"]["number"].as_str().unwrap();
        let licences = self.get_as(visitor, "/api/licences").await.expect(200).json();
        let licence =
            licences["items"].as_array().unwrap().iter().find(|licence| licence["orderNumber"] == number);
        (started.clone(), licence.unwrap()["key"].as_str().unwrap().to_owned())
    }

    /// The store, as an operator's commands have it.
    pub fn storage(&self) -> Storage {
        let settings = StorageSettings {
            region: "eu-central-1".to_owned(),
            access_key_id: STORE_KEY.into(),
            secret_access_key: STORE_SECRET.into(),
            bucket: BUCKET.to_owned(),
            endpoint: Some(self.store_endpoint.parse().unwrap()),
            public_endpoint: None,
        };
        Storage::new(&settings, Patience::Transfer)
    }

    /// Carries a file to the store and publishes it.
    pub async fn publish(&self, slug: &str, sku: &str, version: &str, content: &str) -> ReleaseView {
        let database = Database::connect_lazy(&self.database_url.as_str().into(), 1).unwrap();
        let scope = registry::find(&database, slug).await.unwrap().unwrap().scope();
        let name = ReleaseName {
            sku: sku.to_owned(),
            version: version.to_owned(),
            channel: "stable".to_owned(),
            platform: "any".to_owned(),
        };
        let target = downloads::prepare(&database, scope, &name).await.unwrap();
        let id = random::row_id(SystemClock.now());
        let key = object_key::of_release(target.tenant_id(), id);
        let (storage, never) = (self.storage(), std::future::pending());
        let source = content.as_bytes();
        let uploaded = storage.upload(&key, "text/plain", source, &mut |_| (), never).await.unwrap();
        let release = NewRelease {
            id,
            version: name.version,
            channel: name.channel,
            platform: name.platform,
            file_name: format!("{sku}-{version}.txt"),
            notes: None,
            file: StoredFile {
                bucket: BUCKET.to_owned(),
                object_key: key,
                size_bytes: uploaded.size_bytes,
                sha256: uploaded.sha256,
            },
        };
        downloads::publish(&database, &SystemClock, &target, &release).await.unwrap()
    }

    /// Sends a signed URL's request to the store itself.
    pub async fn ask_store(&self, method: Method, url: &str, body: &str) -> (u16, Vec<u8>) {
        let response = self.http.request(method, url).body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    /// Such as `http://127.0.0.1:9000`.
    pub fn store_endpoint(&self) -> &str {
        &self.store_endpoint
    }

    /// What another process of this installation is started with.
    pub fn variables(&self, changes: &[(&str, &str)]) -> Variables {
        let (stripe, mail) = (self.stripe.base_url(), self.mail.path().to_str().unwrap());
        variables(&self.database_url, stripe, mail, &self.store_endpoint, changes)
    }

    /// Ends the store; the rest of the shop goes on.
    pub async fn close_store(&self) {
        self.store.lock().await.take().unwrap().stop().await;
    }

    /// Asks the stand-in's control interface.
    pub async fn stand_in(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/_standin/{path}", self.stripe.base_url().trim_end_matches('/'));
        let response = self.http.post(url).json(body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// What the provider has of a Checkout Session, by its own API.
    pub async fn provider_session(&self, started: &Value) -> Value {
        let id = started["checkout"]["sessionId"].as_str().unwrap();
        let url = format!("{}/v1/checkout/sessions/{id}", self.stripe.base_url());
        let response = self.http.get(url).bearer_auth(STRIPE_KEY).send().await.unwrap();
        response.error_for_status().unwrap().json().await.unwrap()
    }

    /// `checkout.session.completed`, paid, of a started checkout.
    pub fn paid_event(&self, started: &Value, payment_intent: &str) -> Value {
        self.session_event(started, "checkout.session.completed", "paid", payment_intent)
    }

    pub fn session_event(
        &self,
        started: &Value,
        kind: &str,
        payment_status: &str,
        payment_intent: &str,
    ) -> Value {
        let intent = format!("{payment_intent}_{}", started["order"]["id"].as_str().unwrap());
        event(
            kind,
            json!({
                "id": started["checkout"]["sessionId"],
                "object": "checkout.session",
                "payment_status": payment_status,
                "amount_total": started["order"]["total"],
                "currency": started["order"]["currency"].as_str().unwrap().to_lowercase(),
                "payment_intent": intent,
            }),
        )
    }

    /// Sends an event as Stripe does, signed with the right secret.
    pub async fn deliver(&self, instance: usize, event: &Value) -> Answer {
        self.deliver_text(instance, event.to_string(), WEBHOOK_SECRET).await
    }

    pub async fn deliver_text(&self, instance: usize, payload: String, secret: &str) -> Answer {
        self.deliver_signed(instance, payload, secret, 0).await
    }

    /// To another process of this installation.
    pub async fn deliver_to(&self, process: &Process, event: &Value) -> Answer {
        let payload = event.to_string();
        let signature = signature(&payload, WEBHOOK_SECRET, 0);
        let headers = [("stripe-signature", signature.as_str())];
        process.send(Method::POST, "unknown.host", "/api/webhooks/stripe", &headers, Some(payload)).await
    }

    /// Signed so many seconds ago.
    pub async fn deliver_signed(&self, instance: usize, payload: String, secret: &str, ago: i64) -> Answer {
        let signature = signature(&payload, secret, ago);
        let headers = [("stripe-signature", signature.as_str())];
        self.send(instance, Method::POST, "unknown.host", "/api/webhooks/stripe", &headers, Some(payload))
            .await
    }

    /// All mails so far, soft line breaks undone.
    pub fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.mail.path()).unwrap().map(|entry| entry.unwrap().path());
        let text = |path| std::fs::read_to_string(path).unwrap().replace("=\r\n", "").replace("=3D", "=");
        files.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).map(text).collect()
    }
}

/// The provider's signature of a payload, made so many seconds ago.
fn signature(payload: &str, secret: &str, ago: i64) -> String {
    let now = SystemClock.now().timestamp() - ago;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{now}.{payload}").as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now},v1={signature}")
}

pub fn event(kind: &str, object: Value) -> Value {
    json!({
        "id": format!("evt_{}", random::opaque_id().simple()),
        "object": "event",
        "type": kind,
        "data": {"object": object},
    })
}

/// The token of a mailed link to a page of the front end.
pub fn token_in(shop: &Shop, page: &str) -> Option<String> {
    let mail = shop.mails().into_iter().find(|mail| mail.contains(page))?;
    Some(
        mail.split(page)
            .nth(1)?
            .strip_prefix("?token=")?
            .chars()
            .take_while(|it| !it.is_whitespace())
            .collect(),
    )
}

fn variables(
    database_url: &str,
    stripe: &str,
    mail: &str,
    store: &str,
    changes: &[(&str, &str)],
) -> Variables {
    [
        ("NODE_ENV", "test"),
        ("PORT", "0"),
        ("DATABASE_URL", database_url),
        ("SESSION_SECRET", "a secret for tests, of enough bytes"),
        ("APP_BASE_URL", "https://front.example"),
        ("STRIPE_SECRET_KEY", STRIPE_KEY),
        ("STRIPE_WEBHOOK_SECRET", "whsec_old,whsec_harness"),
        ("STRIPE_API_BASE", stripe),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", STORE_KEY),
        ("AWS_SECRET_ACCESS_KEY", STORE_SECRET),
        ("S3_BUCKET_PRIVATE", BUCKET),
        ("S3_ENDPOINT", store),
        ("MAIL_FROM", "shop@example.com"),
        ("MAIL_DIR", mail),
        ("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        // Tests call more often than people; those of the limits switch them on.
        ("RATE_LIMIT", "off"),
    ]
    .iter()
    .chain(changes)
    .copied()
    .collect()
}

fn start(variables: Variables, clock: SharedClock) -> Instance {
    let config = Config::parse(variables).unwrap();
    let serve = async move |tell: Sender<(SocketAddr, ())>, stopped: oneshot::Receiver<()>| {
        let mut options = Options { threads: Some(2), clock, ..Options::default() };
        options.limits.shutdown_notice = Duration::ZERO;
        let application = Application::build(config, options).unwrap();
        tell.send((application.address(), ())).unwrap();
        let until = async move {
            let _ended = stopped.await;
        };
        application.run_until(until).await.unwrap();
    };
    Instance::start(serve).0
}
