//! All that the product needs, brought up in one data directory: PostgreSQL, store, Stripe stand-in, mailbox.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use primetech_actors::clock::{Clock, SystemClock};
use primetech_module::{Migrations, Seed};
use primetech_s3::{Patience, Storage};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::DevError;
use super::postgres::{ClusterOptions, PrivateCluster};
use super::settings::{Settings, lock, write_private};
use super::store::{ObjectStore, StoreOptions};
use super::stripe::{StandInConfig, StripeStandIn};
use super::{Progress, seed};
use crate::config::{Config, Variables};
use crate::schema;

const DATABASE: &str = "primetech";
const BUCKET: &str = "primetech-private";
const DESCRIPTION: &str = "dev.json";

/// How an environment is wished.
pub struct Wishes {
    pub data_directory: PathBuf,
    pub port: u16,
    pub rate_limit: bool,
    pub cluster: ClusterOptions,
    /// Of modules that bring their own.
    pub migrations: Vec<Migrations>,
    /// Of modules.
    pub seeds: Vec<Seed>,
}

impl Wishes {
    /// As `primetech dev` starts it: nothing that was answered is lost by a crash.
    pub fn new(data_directory: &Path, port: u16, rate_limit: bool) -> Self {
        let cluster = ClusterOptions::new(data_directory.join("postgres"));
        let data_directory = data_directory.to_owned();
        Self { data_directory, port, rate_limit, cluster, migrations: Vec::new(), seeds: Vec::new() }
    }
}

/// The running parts. They end with [`Environment::stop`], and with the process.
pub struct Environment {
    data_directory: PathBuf,
    variables: BTreeMap<&'static str, String>,
    settings: Settings,
    cluster: PrivateCluster,
    store: ObjectStore,
    stripe: StripeStandIn,
    _lock: File,
}

impl Environment {
    /// Brings everything up, migrates and seeds.
    pub async fn start(wishes: Wishes, progress: &dyn Progress) -> Result<Self, DevError> {
        fs::create_dir_all(&wishes.data_directory)?;
        let data_directory = fs::canonicalize(&wishes.data_directory)?;
        let lock = lock(&data_directory)?.ok_or_else(|| DevError::InUse(data_directory.clone()))?;
        remove_if_there(&data_directory.join(DESCRIPTION))?;
        let settings = Settings::load_or_make(&data_directory)?;

        progress.step("PostgreSQL");
        let cluster = ClusterOptions { data_dir: data_directory.join("postgres"), ..wishes.cluster };
        let cluster = PrivateCluster::start(cluster).await?;
        create_database(&cluster).await?;

        progress.step("object store");
        let store = ObjectStore::start(StoreOptions {
            root: data_directory.join("objects"),
            port: Some(settings.store_port),
            access_key: settings.store_access_key.clone(),
            secret_key: settings.store_secret_key.clone().into(),
            bucket: BUCKET.to_owned(),
        })
        .await?;

        progress.step("Stripe stand-in");
        let mut stand_in = StandInConfig::new(
            data_directory.join("stripe"),
            settings.stripe_secret_key.clone().into(),
            settings.stripe_webhook_secret.clone().into(),
        );
        stand_in.port = settings.stripe_port;
        let stripe = StripeStandIn::start(stand_in).await?;

        let mut environment = Self {
            variables: BTreeMap::new(),
            data_directory,
            settings,
            cluster,
            store,
            stripe,
            _lock: lock,
        };
        environment.variables = environment.describe_to_processes(wishes.port, wishes.rate_limit);

        progress.step("schema and shops");
        let url = environment.database_url();
        schema::migrate_with(&url.as_str().into(), &wishes.migrations).await?;
        let config = environment.config()?;
        let storage = Storage::new(&config.storage, Patience::Transfer);
        seed::seed(&url, &storage, &wishes.seeds, SystemClock.now()).await?;
        Ok(environment)
    }

    /// The environment of a serving process.
    fn describe_to_processes(&self, port: u16, rate_limit: bool) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("NODE_ENV", "development".to_owned()),
            ("PORT", port.to_string()),
            ("DATABASE_URL", self.database_url()),
            ("SESSION_SECRET", self.settings.session_secret.clone()),
            ("COOKIE_SECURE", "false".to_owned()),
            ("COOKIE_SAMESITE", "lax".to_owned()),
            ("APP_BASE_URL", "http://localhost:3000".to_owned()),
            ("STRIPE_SECRET_KEY", self.settings.stripe_secret_key.clone()),
            ("STRIPE_WEBHOOK_SECRET", self.settings.stripe_webhook_secret.clone()),
            ("STRIPE_API_BASE", self.stripe.base_url().to_string()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", self.settings.store_access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.settings.store_secret_key.clone()),
            ("S3_BUCKET_PRIVATE", BUCKET.to_owned()),
            ("S3_ENDPOINT", self.store.endpoint()),
            ("MAIL_FROM", "Prime Tech development <shop@primetech.example>".to_owned()),
            ("MAIL_DIR", self.mail_directory().to_string_lossy().into_owned()),
            ("LICENCE_SIGNING_KEY", self.settings.licence_signing_key.clone()),
            ("RATE_LIMIT", if rate_limit { "on" } else { "off" }.to_owned()),
        ])
    }

    /// The configuration of an application that works on this environment.
    pub fn config(&self) -> Result<Config, DevError> {
        let variables: Variables =
            self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(Config::parse(variables)?)
    }

    /// Sees every row.
    pub fn database_url(&self) -> String {
        self.cluster.url(DATABASE)
    }

    pub fn mail_directory(&self) -> PathBuf {
        self.data_directory.join("mail")
    }

    pub fn postgres(&self) -> &PrivateCluster {
        &self.cluster
    }

    pub fn stripe(&self) -> &StripeStandIn {
        &self.stripe
    }

    /// Done when PostgreSQL ended by itself.
    pub async fn database_ended(&self) {
        self.cluster.ended().await;
    }

    /// What others find in `dev.json`.
    pub async fn description(&self, api_base: &str) -> Result<Value, DevError> {
        let tenants = seed::description(&self.database_url()).await?;
        Ok(json!({
            "apiBase": api_base,
            "databaseUrl": self.database_url(),
            "mailDir": self.mail_directory(),
            "s3": { "endpoint": self.store.endpoint(), "bucket": BUCKET },
            "stripe": {
                "apiBase": self.stripe.base_url(),
                "webhookSecret": self.settings.stripe_webhook_secret,
            },
            "env": self.variables,
            "tenants": tenants,
        }))
    }

    /// Tells others that everything is ready.
    pub fn announce(&self, description: &Value) -> Result<PathBuf, DevError> {
        let path = self.data_directory.join(DESCRIPTION);
        write_private(&path, &serde_json::to_vec_pretty(description).map_err(io::Error::other)?)?;
        Ok(path)
    }

    pub async fn stop(self) -> Result<(), DevError> {
        remove_if_there(&self.data_directory.join(DESCRIPTION))?;
        self.stripe.stop().await?;
        self.store.stop().await;
        Ok(self.cluster.stop().await?)
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn create_database(cluster: &PrivateCluster) -> Result<(), DevError> {
    let mut connection = PgConnection::connect(&cluster.url("postgres")).await?;
    let (there,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(DATABASE)
        .fetch_one(&mut connection)
        .await?;
    if !there {
        sqlx::raw_sql("CREATE DATABASE primetech").execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}
