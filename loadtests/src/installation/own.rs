use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use primetech::config::Config;
use primetech::dev::postgres::{Durability, PrivateCluster};
use primetech::dev::{Environment, Progress, Wishes};
use secrecy::SecretString;
use tempfile::TempDir;

use super::server::ServerProcess;
use crate::Failure;

/// So that no checkpoint comes in the middle of a measurement; a run writes less than that.
const MAX_WAL_SIZE: &str = "6GB";

/// So that what [`super::Installation`] makes of it beforehand is kept.
const MIN_WAL_SIZE: &str = "2GB";

/// How an installation of our own is wished.
pub struct OwnWishes {
    /// Folders are made in here, and removed at the end.
    pub work_directory: PathBuf,
    /// The program that serves.
    pub program: PathBuf,
    /// How many processes of it.
    pub processes: usize,
    pub durability: Durability,
    /// PostgreSQL's settings, over those of a development installation.
    pub settings: Vec<(String, String)>,
}

impl OwnWishes {
    /// As a production database has it: what was answered is on the disk.
    pub fn durable(work_directory: PathBuf, program: PathBuf, processes: usize) -> Self {
        let settings =
            [("max_wal_size", MAX_WAL_SIZE), ("min_wal_size", MIN_WAL_SIZE), ("checkpoint_timeout", "30min")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { work_directory, program, processes, durability: Durability::Durable, settings }
    }
}

/// An installation that lives as long as the run.
pub struct Own {
    environment: Environment,
    pub program: PathBuf,
    pub webhook_secret: SecretString,
    variables: BTreeMap<String, String>,
    servers: Vec<ServerProcess>,
    folder: TempDir,
}

struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str) {}
}

impl Own {
    pub async fn start(wishes: OwnWishes) -> Result<Self, Failure> {
        std::fs::create_dir_all(&wishes.work_directory)?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&wishes.work_directory)?;
        // Each serving process gets a port of its own; rate limits would measure themselves.
        let mut environment_wishes = Wishes::new(folder.path(), 0, false);
        environment_wishes.cluster.durability = wishes.durability;
        environment_wishes.cluster.settings = wishes.settings;
        let environment = Environment::start(environment_wishes, &Quiet).await?;
        let description = environment.description("").await?;
        let variables: BTreeMap<String, String> = serde_json::from_value(description["env"].clone())?;
        let secret = description["stripe"]["webhookSecret"].as_str().map(SecretString::from);
        let mut own = Self {
            environment,
            program: std::path::absolute(&wishes.program)?,
            webhook_secret: secret.ok_or("the environment has no webhook secret")?,
            variables,
            servers: Vec::new(),
            folder,
        };
        for _ in 0..wishes.processes {
            let server = own.start_server().await?;
            own.servers.push(server);
        }
        if let Some(first) = own.servers.first() {
            let endpoint = format!("http://{}/api/webhooks/stripe", first.address);
            own.environment.stripe().set_webhook_endpoint(&endpoint)?;
        }
        Ok(own)
    }

    /// One more process that serves, for the caller to end.
    pub async fn start_server(&self) -> Result<ServerProcess, Failure> {
        ServerProcess::start(&self.program, &self.variables, self.folder.path()).await
    }

    /// The configuration of an application within this process.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(self.environment.config()?)
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    pub fn service_pids(&self) -> Vec<u32> {
        self.servers.iter().map(ServerProcess::pid).collect()
    }

    pub fn database_url(&self) -> String {
        self.environment.database_url()
    }

    pub fn postgres(&self) -> &PrivateCluster {
        self.environment.postgres()
    }

    pub async fn stop(self) -> Result<(), Failure> {
        for server in self.servers {
            server.stop().await?;
        }
        self.environment.stop().await?;
        self.folder.close()?;
        Ok(())
    }
}
