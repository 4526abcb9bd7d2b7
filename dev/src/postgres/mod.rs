//! A private PostgreSQL cluster in a folder, for `primetech dev` and for tests.
//!
//! Owns the folder and the server's life: made at the first start, kept between starts, ended with the
//! [`PrivateCluster`] or with this process. Needs PostgreSQL installed, but no configured server, no free default
//! port and no ordinary user. Listens on loopback only, behind a password kept in the folder.
//!
//! Invariant: once [`PrivateCluster::stop`] returns, no process of the cluster is left; and a folder that a crash
//! left in any state is brought up by the next start, with all that was committed (under [`Durability::Durable`]).

mod binaries;
mod error;
mod folder;
mod identity;
mod initialise;
mod leftover;
mod server;

use std::fmt;
use std::path::{Path, PathBuf};

pub use error::{ClusterError, HOW_TO_INSTALL};
pub use identity::AsRoot;

use folder::Folder;
use server::Server;

/// The cluster's superuser, who sees every row. The application itself works under a lesser role.
pub const SUPERUSER: &str = "primetech";

/// What a crash of the machine may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    #[default]
    Durable,
    /// Everything: nothing is waited for. For tests, whose data nobody misses.
    Fast,
}

#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// The cluster's own folder: empty, absent, or of an earlier start.
    pub data_dir: PathBuf,
    pub durability: Durability,
    /// None: the last start's port where it is free, else a free one.
    pub port: Option<u16>,
    /// PostgreSQL's settings by name, over the ones chosen here.
    pub settings: Vec<(String, String)>,
    pub as_root: AsRoot,
}

impl ClusterOptions {
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durability: Durability::Durable,
            port: None,
            settings: Vec::new(),
            as_root: AsRoot::NamespaceFirst,
        }
    }

    /// For tests: see [`Durability::Fast`].
    pub fn fast(data_dir: impl Into<PathBuf>) -> Self {
        Self { durability: Durability::Fast, ..Self::new(data_dir) }
    }
}

/// A running cluster. Dropping it ends the server too, but blocks meanwhile: prefer [`PrivateCluster::stop`].
pub struct PrivateCluster {
    // In this order: the server ends before the folder is let go.
    server: Server,
    folder: Folder,
    password: String,
    made_now: bool,
}

impl PrivateCluster {
    /// Starts the cluster, making it first where there is none. Ready for connections when it returns.
    pub async fn start(options: ClusterOptions) -> Result<Self, ClusterError> {
        tokio::task::spawn_blocking(move || Self::start_blocking(&options))
            .await
            .map_err(|_| ClusterError::Thread)?
    }

    /// As [`PrivateCluster::start`], for callers without a runtime.
    pub fn start_blocking(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let folder = Folder::open(&options.data_dir)?;
        let version = if folder.is_made()? { Some(folder.version()?) } else { None };
        let binaries = binaries::Binaries::find(&folder.root, version)?;
        leftover::end(&binaries, &folder)?;
        let identity = identity::choose(&binaries, &folder.root, options.as_root)?;
        let made_now = initialise::initialise(&folder, &binaries, identity, options.durability)?;
        let password = std::fs::read_to_string(&folder.password)
            .map_err(ClusterError::io("could not read", &folder.password))?;
        let server = server::start(&folder, &binaries, identity, options)?;
        Ok(Self { server, folder, password: password.trim().to_owned(), made_now })
    }

    /// Whether the folder is of a cluster made here which no process holds now.
    pub fn is_abandoned(data_dir: &Path) -> bool {
        data_dir.is_dir() && folder::is_abandoned(data_dir)
    }

    /// The superuser's URL of a database of this cluster. Holds the password: not for logs.
    pub fn url(&self, database: &str) -> String {
        let Self { server, password, .. } = self;
        // Loopback: encryption would protect nothing, and asking for it costs a round trip per connection.
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{}/{database}?sslmode=disable", server.port)
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The postmaster's process number.
    pub fn pid(&self) -> u32 {
        self.server.process.pid()
    }

    /// Whether this start made the cluster.
    pub fn is_new(&self) -> bool {
        self.made_now
    }

    /// A program of the PostgreSQL that runs here, such as `pgbench`. Not every package brings all of them.
    pub fn program(&self, name: &str) -> PathBuf {
        self.server.binaries().program(name)
    }

    /// The server's log of this run.
    pub fn log(&self) -> &Path {
        &self.folder.log
    }

    /// Completes if the server ends by itself.
    pub async fn ended(&self) {
        // An error means that nobody waits for the server any more, which is an end too.
        let _status = self.server.process.exited().await;
    }

    /// Ends the server in order. Bounded: what does not end in time is ended outright.
    pub async fn stop(self) -> Result<(), ClusterError> {
        tokio::task::spawn_blocking(move || self.stop_blocking()).await.map_err(|_| ClusterError::Thread)?
    }

    /// As [`PrivateCluster::stop`], for callers without a runtime.
    pub fn stop_blocking(self) -> Result<(), ClusterError> {
        self.server.stop()
    }
}

impl fmt::Debug for PrivateCluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrivateCluster")
            .field("folder", &self.folder.root)
            .field("pid", &self.pid())
            .finish()
    }
}
