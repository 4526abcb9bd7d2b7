//! A server as the scripts know it, in a scratch folder: a PostgreSQL of its own, the configuration, the program.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use primetech::dev::postgres::{ClusterOptions, PrivateCluster};
use primetech::schema;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use url::Url;

use crate::customers::Purchase;

pub const STRIPE_KEY: &str = "sk_test_backups";
pub const WEBHOOK_SECRET: &str = "whsec_backups";
const PROGRAM: &str = env!("CARGO_BIN_EXE_primetech");
const DATABASE: &str = "primetech";

/// A shop that has sold for a while: paid orders with all that belongs to them, each by the product's own rules.
const SHOP: &str = "
    INSERT INTO tenants (id, slug, name, created_at) VALUES ('00000000-0000-7000-8000-000000000001', 'acme', 'Acme', now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at)
        SELECT id, gen_random_uuid(), 'acme.test', now() FROM tenants;
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
        SELECT id, gen_random_uuid(), 'editor', 'LICENCE', 'Editor', 4900, 'USD', now(), now() FROM tenants;
    INSERT INTO users (tenant_id, id, email, password_hash, created_at)
        SELECT id, gen_random_uuid(), 'old@example.com', 'none', now() FROM tenants;
    CREATE TEMPORARY TABLE sold AS
        SELECT t.id AS tenant_id, u.id AS user_id, p.id AS product_id, n, gen_random_uuid() AS order_id, gen_random_uuid() AS item_id,
               gen_random_uuid() AS licence_id, extract(year FROM now() AT TIME ZONE 'UTC')::integer AS year,
               lpad(n::text, 6, '0') AS place, upper(md5(n::text)) AS random
        FROM tenants t, users u, products p, generate_series(1, ORDERS) AS n;
    INSERT INTO orders (tenant_id, id, number, user_id, status, currency, total, created_at, paid_at)
        SELECT tenant_id, order_id, 'ORD-' || to_char(date '2001-01-01' + n / 10000, 'YYYYMMDD') || '-' || lpad((n % 10000)::text, 4, '0'),
               user_id, 'PAID', 'USD', 4900, now(), now() FROM sold;
    INSERT INTO order_items (tenant_id, id, order_id, position, product_id, sku, name, kind, quantity, unit_amount, total)
        SELECT tenant_id, item_id, order_id, 1, product_id, 'editor', 'Editor', 'LICENCE', 1, 4900, 4900 FROM sold;
    INSERT INTO invoices (tenant_id, id, number, order_id, status, currency, subtotal, total, bill_to_email, issued_at, paid_at)
        SELECT tenant_id, gen_random_uuid(), 'INV-' || year || '-' || place, order_id, 'PAID', 'USD', 4900, 4900, 'old@example.com', now(), now()
        FROM sold;
    INSERT INTO payments (tenant_id, id, order_id, provider, status, amount, currency, provider_session_id, created_at, updated_at)
        SELECT tenant_id, gen_random_uuid(), order_id, 'STRIPE', 'PAID', 4900, 'USD', 'cs_old_' || n, now(), now() FROM sold;
    INSERT INTO receipts (tenant_id, id, number, order_id, currency, total, paid_at, provider, created_at)
        SELECT tenant_id, gen_random_uuid(), 'RCP-' || year || '-' || place, order_id, 'USD', 4900, now(), 'STRIPE', now() FROM sold;
    INSERT INTO entitlements (tenant_id, id, user_id, order_id, order_item_id, product_id, created_at)
        SELECT tenant_id, gen_random_uuid(), user_id, order_id, item_id, product_id, now() FROM sold;
    INSERT INTO licences (tenant_id, id, key, product_id, user_id, order_id, order_item_id, unit_number, created_at)
        SELECT tenant_id, licence_id, 'LIC-' || substr(random, 1, 4) || '-' || substr(random, 5, 4) || '-' || substr(random, 9, 4),
               product_id, user_id, order_id, item_id, 1, now() FROM sold;
    INSERT INTO activations (tenant_id, id, licence_id, fingerprint, activated_at)
        SELECT tenant_id, gen_random_uuid(), licence_id, 'device-of-' || n, now() FROM sold;
    INSERT INTO counters (tenant_id, kind, period, last_value)
        SELECT tenant_id, kind, year, count(*) FROM sold, (VALUES ('INV'), ('RCP')) AS kinds (kind) GROUP BY 1, 2, 3;
    ANALYZE";

pub struct Server {
    pub prefix: TempDir,
    cluster: PrivateCluster,
    _cluster_folder: TempDir,
}

/// A serving process. Ends with this.
pub struct Serving {
    process: Child,
    pub address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Server {
    /// PostgreSQL with nothing in it, and the scripts' configuration; no release was deployed.
    pub async fn empty() -> Self {
        let (prefix, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cluster =
            PrivateCluster::start(ClusterOptions::fast(folder.path().join("postgres"))).await.unwrap();
        let url = Url::parse(&cluster.url(DATABASE)).unwrap();
        let configuration = prefix.path().join("etc/primetech");
        write(
            &configuration.join("admin/pg_service.conf"),
            &format!(
                "[primetech-admin]\nhost=127.0.0.1\nport={}\nuser={}\npassword={}\ndbname={DATABASE}\n",
                cluster.port(),
                url.username(),
                url.password().unwrap()
            ),
        );
        write(&configuration.join("owner/.env"), &format!("DATABASE_URL={url}\n"));
        Self { prefix, cluster, _cluster_folder: folder }
    }

    /// A release deployed, and a shop with so many paid orders.
    pub async fn with_a_shop(orders: i64) -> Self {
        let server = Self::empty().await;
        let programs = server.prefix.path().join("opt/primetech/current/bin");
        std::fs::create_dir_all(&programs).unwrap();
        symlink(PROGRAM, programs.join("primetech")).unwrap();
        let administrator = PgPool::connect(&server.cluster.url("postgres")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {DATABASE}")))
            .execute(&administrator)
            .await
            .unwrap();
        administrator.close().await;
        schema::migrate(&SecretString::from(server.url())).await.unwrap();
        let pool = server.pool().await;
        let mut connection = pool.acquire().await.unwrap();
        let shop = SHOP.replace("ORDERS", &orders.to_string());
        sqlx::raw_sql(AssertSqlSafe(shop)).execute(&mut *connection).await.unwrap();
        server
    }

    fn url(&self) -> String {
        self.cluster.url(DATABASE)
    }

    async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url()).await.unwrap()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let pool = self.pool().await;
        let count = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count
    }

    pub async fn text(&self, sql: &str) -> String {
        let pool = self.pool().await;
        let text = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        pool.close().await;
        text
    }

    pub async fn until(&self, what: &str, sql: &str, limit: Duration) {
        let pool = self.pool().await;
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap() {
            assert!(begun.elapsed() < limit, "in vain: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether all of a purchase is there.
    pub async fn has(&self, purchase: &Purchase) -> bool {
        let Purchase { order, invoice, receipt, licence, device } = purchase;
        let sql = format!(
            "SELECT count(*) FROM orders o
             JOIN invoices i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
             JOIN receipts r ON r.tenant_id = o.tenant_id AND r.order_id = o.id
             JOIN licences l ON l.tenant_id = o.tenant_id AND l.order_id = o.id
             JOIN activations a ON a.tenant_id = l.tenant_id AND a.licence_id = l.id AND a.deactivated_at IS NULL
             WHERE o.number = '{order}' AND o.status = 'PAID' AND i.number = '{invoice}' AND r.number = '{receipt}'
               AND l.key = '{licence}' AND a.fingerprint = '{device}'"
        );
        self.count(&sql).await == 1
    }

    pub fn try_script(&self, name: &str, words: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
        let programs = self.cluster.program("pg_dump");
        let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        Command::new(script)
            .args(words)
            .env("PRIMETECH_PREFIX", self.prefix.path())
            .env("PRIMETECH_DATABASE", DATABASE)
            .env("PRIMETECH_PROXY", "none")
            .env("PRIMETECH_PROGRAM", PROGRAM)
            .env("PATH", path)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What a script that succeeds writes.
    #[track_caller]
    pub fn script(&self, name: &str, words: &[&str]) -> String {
        let ran = self.try_script(name, words);
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    fn program(&self, stripe: &str) -> Command {
        let mut program = Command::new(PROGRAM);
        let mail = self.prefix.path().join("mail");
        program.env_clear().current_dir(self.prefix.path()).stdin(Stdio::null()).envs([
            ("NODE_ENV", "test"),
            ("PORT", "0"),
            ("DATABASE_URL", self.url().as_str()),
            ("SESSION_SECRET", "a secret for tests, of enough bytes"),
            ("APP_BASE_URL", "https://front.example"),
            ("STRIPE_SECRET_KEY", STRIPE_KEY),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
            ("STRIPE_API_BASE", stripe),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("S3_BUCKET_PRIVATE", "private"),
            ("MAIL_FROM", "shop@example.com"),
            ("MAIL_DIR", mail.to_str().unwrap()),
            ("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            ("RATE_LIMIT", "off"),
        ]);
        program
    }

    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Value {
        self.run_with(words, "http://127.0.0.1:1")
    }

    /// The document of an operator's command that succeeds.
    #[track_caller]
    pub fn run_with(&self, words: &[&str], stripe: &str) -> Value {
        let ran = self.program(stripe).args(words).output().unwrap();
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{words:?}: {told}{}", String::from_utf8_lossy(&ran.stdout));
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    pub fn serve(&self, stripe: &str) -> Serving {
        let mut process = self.program(stripe).arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it serves").unwrap();
            if let Some((_, address)) = line.split_once("address=") {
                break address.trim().to_owned();
            }
        };
        // Read on, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Serving { process, address }
    }
}

fn write(path: &PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
