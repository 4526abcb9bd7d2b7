//! One database, two instances of the application on it, and the provider's stand-in. Each history has a tenant of its
//! own there, so that thousands share what is slow to make.

use std::time::Duration;

use primetech::config::{Config, Variables};
use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use primetech::schema;
use primetech_actors::database::Database;
use primetech_actors::random;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tempfile::TempDir;
use url::Url;

use crate::instance::{Instance, Request};

pub const WEBHOOK_SECRET: &str = "whsec_model";
const STRIPE_KEY: &str = "sk_test_model";

/// Whom the tenants of all histories are copied from, users and sessions included: a password's hash takes long.
const TEMPLATE: &str = "
    INSERT INTO tenants (id, slug, name, active, created_at)
        VALUES ('00000000-0000-7000-8000-000000000001', 'template', 'Template', true, now());
    INSERT INTO tenant_domains (tenant_id, id, host, created_at)
        VALUES ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'template.test', now());
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
        SELECT '00000000-0000-7000-8000-000000000001', gen_random_uuid(), p.sku, p.kind, p.name, p.amount, 'USD', now(), now()
        FROM (VALUES ('editor', 'LICENCE', 'Editor', 4900), ('icons', 'DOWNLOAD', 'Icons', 1900),
                     ('call', 'SERVICE', 'Call', 15000)) AS p (sku, kind, name, amount)";

pub struct World {
    pub instances: Vec<Instance>,
    pub pool: PgPool,
    /// The operator's way in.
    pub database: Database,
    /// Cookies that hold for every tenant.
    pub owner: String,
    pub admin: String,
    pub stranger: String,
    _stripe: StripeStandIn,
    _folders: [TempDir; 2],
}

impl World {
    pub async fn new() -> Self {
        let database_url = new_database().await;
        let (stripe_folder, mail) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut settings = StandInConfig::new(stripe_folder.path(), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
        settings.retry_first_delay = Duration::from_secs(1);
        let stripe = StripeStandIn::start(settings).await.unwrap();
        let mail_folder = mail.path().to_str().unwrap().to_owned();
        let instances: Vec<Instance> = (0..2)
            .map(|_| {
                let variables = variables(&database_url, stripe.base_url(), &mail_folder);
                Instance::start(Config::parse(variables).unwrap())
            })
            .collect();
        let pool = PgPoolOptions::new().max_connections(16).connect(&database_url).await.unwrap();
        sqlx::raw_sql(TEMPLATE).execute(&pool).await.unwrap();
        let [owner, admin, stranger] = [
            register(&instances[0], "owner").await,
            register(&instances[0], "admin").await,
            register(&instances[0], "stranger").await,
        ];
        sqlx::raw_sql("UPDATE users SET role = 'ADMIN' WHERE email = 'admin@example.com'")
            .execute(&pool)
            .await
            .unwrap();
        let database = Database::connect_lazy(&database_url.as_str().into(), 4).unwrap();
        Self {
            instances,
            pool,
            database,
            owner,
            admin,
            stranger,
            _stripe: stripe,
            _folders: [stripe_folder, mail],
        }
    }
}

async fn register(instance: &Instance, name: &str) -> String {
    let body = json!({
        "email": format!("{name}@example.com"), "password": "correct horse battery staple", "name": name,
    });
    let request = Request {
        method: Method::POST,
        host: "template.test".to_owned(),
        path: "/api/auth/register".to_owned(),
        headers: Vec::new(),
        body: body.to_string(),
    };
    let answer = instance.call(request).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.cookie.unwrap()
}

fn variables(database_url: &str, stripe: &str, mail: &str) -> Variables {
    [
        ("NODE_ENV", "test"),
        ("PORT", "0"),
        ("DATABASE_URL", database_url),
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
        ("MAIL_DIR", mail),
        ("LICENCE_SIGNING_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("RATE_LIMIT", "off"),
    ]
    .into_iter()
    .collect()
}

async fn new_database() -> String {
    let server =
        std::env::var("TEST_DATABASE_URL").expect("run by scripts/test, which sets TEST_DATABASE_URL");
    let name = format!("model_{}", random::opaque_id().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let mut url = Url::parse(&server).unwrap();
    url.set_path(&name);
    schema::migrate(&SecretString::from(url.as_str())).await.unwrap();
    url.into()
}
