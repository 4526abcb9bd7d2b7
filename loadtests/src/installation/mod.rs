//! What is put under load: an installation that runs already, or one of our own, brought up for the run.

mod own;
mod server;
mod server_program;
mod shop;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use primetech::dev::postgres::{Durability, PrivateCluster};
use primetech_actors::random;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::net::lookup_host;

use crate::Failure;
use own::Own;

pub use own::OwnWishes;
pub use server_program::server_program;
pub use shop::{Customer, Shop};

/// Connections of the load tests themselves: they prepare rows, and read promises back.
const CONNECTIONS: u32 = 4;

/// A gigabyte of write-ahead log: more than a round writes.
const SPARE_SEGMENTS: u32 = 64;

pub struct Installation {
    /// The service's processes. Clients are spread over them.
    pub targets: Vec<SocketAddr>,
    pub database_url: String,
    /// Sees every row.
    pub pool: PgPool,
    pub webhook_secret: SecretString,
    own: Option<Own>,
}

impl Installation {
    /// The running installation that a `dev.json` describes. Its base URL may be another, of a process beside it.
    pub async fn found(data_directory: &Path, base_url: Option<&str>) -> Result<Self, Failure> {
        let path = data_directory.join("dev.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error} (is `primetech dev` running?)", path.display()))?;
        let description: Value = serde_json::from_str(&text)?;
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let described = word(&description["apiBase"]).ok_or("dev.json names no apiBase")?;
        let target = loopback(base_url.unwrap_or(&described)).await?;
        let database_url = word(&description["databaseUrl"]).ok_or("dev.json names no database")?;
        let secret =
            word(&description["stripe"]["webhookSecret"]).ok_or("dev.json names no webhook secret")?;
        Self::of(vec![target], database_url, secret.into(), None).await
    }

    /// One of our own, with processes of the release build.
    pub async fn own(wishes: OwnWishes) -> Result<Self, Failure> {
        let is_durable = wishes.durability == Durability::Durable;
        let own = Own::start(wishes).await?;
        let targets = own.addresses();
        let (database_url, secret) = (own.database_url(), own.webhook_secret.clone());
        let installation = Self::of(targets, database_url, secret, Some(own)).await?;
        if is_durable {
            installation.spare_segments().await?;
        }
        Ok(installation)
    }

    /// Segments of the log that need only be written over, as a database has them that has run for a while. Where one
    /// must be made first, all commits wait for its 16 MB of zeros.
    async fn spare_segments(&self) -> Result<(), Failure> {
        for _ in 0..SPARE_SEGMENTS {
            // A segment in which nothing was written is not left.
            let fill = "SELECT pg_logical_emit_message(false, 'loadtests', ''); SELECT pg_switch_wal()";
            sqlx::raw_sql(fill).execute(&self.pool).await?;
        }
        Ok(sqlx::raw_sql("CHECKPOINT").execute(&self.pool).await.map(drop)?)
    }

    async fn of(
        targets: Vec<SocketAddr>,
        database_url: String,
        webhook_secret: SecretString,
        own: Option<Own>,
    ) -> Result<Self, Failure> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&database_url).await?;
        Ok(Self { targets, database_url, pool, webhook_secret, own })
    }

    /// A shop of this run's own, so that runs do not meddle with each other's rows.
    pub async fn open_shop(&self) -> Result<Shop, Failure> {
        Shop::open(&self.pool).await
    }

    pub fn service_pids(&self) -> Vec<u32> {
        self.own.as_ref().map(Own::service_pids).unwrap_or_default()
    }

    pub fn postgres_pid(&self) -> Option<u32> {
        Some(self.postgres()?.pid())
    }

    /// The private PostgreSQL, where it is ours.
    pub fn postgres(&self) -> Option<&PrivateCluster> {
        self.own.as_ref().map(Own::postgres)
    }

    pub(crate) fn owned(&self) -> Result<&Own, Failure> {
        self.own.as_ref().ok_or_else(|| "this needs an installation of its own: leave --base-url out".into())
    }

    /// The same database, by one process alone.
    pub fn only(&self, address: SocketAddr) -> Self {
        Self {
            targets: vec![address],
            database_url: self.database_url.clone(),
            pool: self.pool.clone(),
            webhook_secret: self.webhook_secret.clone(),
            own: None,
        }
    }

    /// Evens the start of a measurement: statistics are fresh, and no checkpoint is due soon.
    pub async fn settle(&self) -> Result<(), Failure> {
        sqlx::raw_sql("ANALYZE").execute(&self.pool).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }

    /// Ends what was brought up for the run, and removes it.
    pub async fn close(self) -> Result<(), Failure> {
        self.pool.close().await;
        match self.own {
            Some(own) => own.stop().await,
            None => Ok(()),
        }
    }
}

/// Load is sent to this machine only.
async fn loopback(base_url: &str) -> Result<SocketAddr, Failure> {
    let refused = || format!("{base_url}: load is sent to an http:// address of this machine only");
    let authority = base_url.trim_end_matches('/').strip_prefix("http://").ok_or_else(refused)?;
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let address = lookup_host(&authority).await?.find(|address| address.ip().is_loopback());
    address.ok_or_else(|| refused().into())
}

/// Tells this run's rows from those of others: short, in lower case.
pub fn run_id() -> String {
    random::opaque_id().simple().to_string()[..12].to_owned()
}

/// Where an installation of our own keeps its files: on the disk of the working directory, because a temporary folder
/// may be memory, where a flush costs nothing.
pub fn default_work_directory() -> PathBuf {
    PathBuf::from("target").join("loadtests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_machine_is_put_under_load() {
        assert!(loopback("http://127.0.0.1:4000/").await.is_ok());
        for other in ["http://192.0.2.1:4000", "https://127.0.0.1:4000", "127.0.0.1:4000", "http://"] {
            assert!(loopback(other).await.is_err(), "{other}");
        }
    }
}
