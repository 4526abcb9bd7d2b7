//! An installation of a test's own: the program, and behind it a PostgreSQL, a provider, a store and a mail server that
//! the test may take away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use primetech::dev::free_port::free_port;
use primetech::dev::postgres::{ClusterOptions, PrivateCluster};
use primetech::dev::store::{ObjectStore, StoreOptions};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use primetech::process::{Signal, send_signal};
use primetech::schema;
use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::proxy::Proxy;
use crate::service::Service;
use crate::smtp::MailServer;

/// What anything may take, on a machine that has other things to do.
pub const LIMIT: Duration = Duration::from_secs(30);
pub const HOST: &str = "demo.test";
pub const TENANT: Uuid = Uuid::from_u128(1);
pub const WEBHOOK_SECRET: &str = "whsec_faults";
const STRIPE_KEY: &str = "sk_test_faults";
const STORE_KEY: &str = "store-key";
const STORE_SECRET: &str = "store-secret";
const BUCKET: &str = "primetech-private";

const SEED: &str = "
    INSERT INTO tenants (id, slug, name, active, created_at)
        VALUES ('00000000-0000-0000-0000-000000000001', 'demo', 'Demo', true, now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at)
        VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'demo.test', now());
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
        SELECT '00000000-0000-0000-0000-000000000001', gen_random_uuid(), sku, kind, sku, 4900, 'USD', now(), now()
        FROM (VALUES ('editor', 'LICENCE'), ('icons', 'DOWNLOAD'), ('call', 'SERVICE')) AS new (sku, kind);
    INSERT INTO licences (tenant_id, id, key, product_id, created_at)
        SELECT p.tenant_id, gen_random_uuid(), 'LIC-TEST-0000-' || lpad(n::text, 4, '0'), p.id, now()
        FROM generate_series(0, 99) AS n, products p WHERE p.sku = 'editor';";

/// How a world differs from the usual one.
#[derive(Default)]
pub struct Wishes {
    /// PostgreSQL's settings, over those of a durable cluster.
    pub settings: Vec<(&'static str, &'static str)>,
    pub variables: Vec<(&'static str, &'static str)>,
    /// Where the cluster's files lie; by default in the world's folder.
    pub cluster_in: Option<std::path::PathBuf>,
}

pub struct World {
    // Ends before what it depends on.
    pub service: Option<Service>,
    pub proxy: Proxy,
    pub stripe: StripeStandIn,
    pub mail: MailServer,
    store: Option<ObjectStore>,
    cluster: Option<PrivateCluster>,
    cluster_options: ClusterOptions,
    /// Sees every row, past the proxy.
    pub pool: PgPool,
    pub database_url: String,
    pub variables: BTreeMap<&'static str, String>,
    pub port: u16,
    pub folder: TempDir,
}

impl World {
    pub async fn open() -> Self {
        Self::open_with(Wishes::default()).await
    }

    pub async fn open_with(wishes: Wishes) -> Self {
        let mut world = Self::prepare(wishes).await;
        world.start().await;
        world
    }

    /// Everything but the service.
    pub async fn prepare(wishes: Wishes) -> Self {
        let folder = tempfile::Builder::new().prefix("primetech-faults-").tempdir().unwrap();
        let data = wishes.cluster_in.unwrap_or_else(|| folder.path().to_owned()).join("postgres");
        let mut options = ClusterOptions::new(data);
        options.port = Some(free_port().unwrap());
        options.settings = [("shared_buffers", "32MB"), ("max_connections", "60")]
            .into_iter()
            .chain(wishes.settings)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let cluster = PrivateCluster::start(options.clone()).await.unwrap();
        let database_url = cluster.url("postgres");
        schema::migrate(&database_url.as_str().into()).await.unwrap();
        let mut connection = PgConnection::connect(&database_url).await.unwrap();
        sqlx::raw_sql(SEED).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();

        let proxy = Proxy::start(cluster.port()).await;
        let store = open_store(&folder, None).await;
        let mail = MailServer::start().await;
        let mut stand_in =
            StandInConfig::new(folder.path().join("stripe"), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
        stand_in.retry_first_delay = Duration::from_millis(50);
        let stripe = StripeStandIn::start(stand_in).await.unwrap();
        let port = free_port().unwrap();
        stripe.set_webhook_endpoint(&format!("http://127.0.0.1:{port}/api/webhooks/stripe")).unwrap();
        let through_proxy =
            database_url.replace(&format!(":{}/", cluster.port()), &format!(":{}/", proxy.address.port()));
        let mut variables: BTreeMap<&'static str, String> = [
            ("NODE_ENV", "test".to_owned()),
            ("DATABASE_URL", through_proxy),
            ("SESSION_SECRET", "a secret for tests, of enough bytes".to_owned()),
            ("APP_BASE_URL", "https://front.example".to_owned()),
            ("STRIPE_SECRET_KEY", STRIPE_KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("STRIPE_API_BASE", stripe.base_url().to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", STORE_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", STORE_SECRET.to_owned()),
            ("S3_BUCKET_PRIVATE", BUCKET.to_owned()),
            ("S3_ENDPOINT", store.endpoint()),
            ("MAIL_FROM", "shop@example.com".to_owned()),
            ("SMTP_URL", format!("smtp://{}", mail.address)),
            ("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
            ("RATE_LIMIT", "off".to_owned()),
            ("RUST_LOG", "warn,primetech=info,access=off".to_owned()),
        ]
        .into();
        variables.extend(wishes.variables.into_iter().map(|(name, value)| (name, value.to_owned())));
        let pool = pool(&database_url);
        Self {
            service: None,
            proxy,
            stripe,
            mail,
            store: Some(store),
            cluster: Some(cluster),
            cluster_options: options,
            pool,
            database_url,
            variables,
            port,
            folder,
        }
    }

    /// Starts the service and waits until it is ready.
    pub async fn start(&mut self) {
        let service = Service::spawn(&self.variables, self.port, self.folder.path());
        self.service = Some(service.ready().await);
    }

    pub async fn kill_service(&mut self) {
        self.service.take().unwrap().kill().await;
    }

    pub fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    /// Ends PostgreSQL as a failing machine does: nothing is written any more, nobody is told.
    pub async fn kill_database(&mut self) {
        let cluster = self.cluster.take().unwrap();
        let pids: Vec<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity").fetch_all(&self.pool).await.unwrap();
        send_signal(cluster.pid(), Signal::Kill).unwrap();
        for pid in pids {
            // It may have noticed the postmaster's end already.
            let _gone = send_signal(u32::try_from(pid).unwrap(), Signal::Kill);
        }
        cluster.ended().await;
        cluster.stop().await.unwrap();
        self.pool.close().await;
    }

    /// Starts PostgreSQL on the same files, at the same port. It takes connections when this returns.
    pub async fn start_database(&mut self) {
        self.cluster = Some(PrivateCluster::start(self.cluster_options.clone()).await.unwrap());
        self.pool = pool(&self.database_url);
    }

    pub async fn close_store(&mut self) {
        self.store.take().unwrap().stop().await;
    }

    pub async fn open_store(&mut self) {
        let port = self.variables["S3_ENDPOINT"].rsplit(':').next().unwrap().parse().unwrap();
        self.store = Some(open_store(&self.folder, Some(port)).await);
    }

    /// Asks the provider's control interface.
    pub async fn stand_in(&self, path: &str, body: &Value) -> Value {
        stand_in(self.stripe.base_url(), path, body).await
    }

    pub async fn provider_is(&self, mode: &str) {
        self.stand_in("mode", &json!({"api": mode})).await;
    }

    /// Lets the time pass for which keys of requests that died are held. Only while no service runs.
    pub async fn let_claims_lapse(&self) {
        assert!(self.service.is_none());
        self.execute("UPDATE idempotency_keys SET locked_until = now() WHERE response_status IS NULL").await;
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }
}

pub async fn stand_in(base: &str, path: &str, body: &Value) -> Value {
    let url = format!("{base}/_standin/{path}");
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect_lazy(url).unwrap()
}

async fn open_store(folder: &TempDir, port: Option<u16>) -> ObjectStore {
    let options = StoreOptions {
        root: folder.path().join("objects"),
        port,
        access_key: STORE_KEY.to_owned(),
        secret_key: STORE_SECRET.into(),
        bucket: BUCKET.to_owned(),
    };
    ObjectStore::start(options).await.unwrap()
}

/// Waits until `holds`, at most for `limit`.
pub async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < limit, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A size of a test: larger where the environment says so.
pub fn size(variable: &str, by_default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => by_default,
    }
}

/// The seed of a test's choices: a new one each time, told so that it can be given back.
pub fn seed() -> u64 {
    let seed = size(
        "FAULTS_SEED",
        u64::from_be_bytes(primetech_actors::random::token_bytes()[..8].try_into().unwrap()),
    );
    eprintln!("FAULTS_SEED={seed} repeats these choices");
    seed
}
