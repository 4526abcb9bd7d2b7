//! `primetech dev`: the whole product on this machine, on what the crate `primetech_dev` brings.

mod environment;
mod seed;
mod settings;

use std::io;
use std::path::PathBuf;

pub use environment::{Environment, Wishes};
pub use primetech_dev::{free_port, postgres, store, stripe};

/// Told what is being done, for a person who waits.
pub trait Progress {
    fn step(&self, what: &str);
}

/// Why a development installation cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    #[error("another `primetech dev` is using {}", .0.display())]
    InUse(PathBuf),
    #[error(transparent)]
    Cluster(#[from] postgres::ClusterError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Storage(#[from] primetech_s3::StorageError),
    #[error(transparent)]
    Schema(#[from] crate::schema::MigrateError),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigFaults),
    #[error(transparent)]
    Serve(#[from] crate::app::ServeError),
    #[error(transparent)]
    Fault(#[from] primetech_actors::fault::Fault),
    #[error(transparent)]
    DatabaseUrl(#[from] primetech_actors::database::InvalidDatabaseUrl),
    #[error(transparent)]
    Publish(#[from] primetech_downloads::PublishError),
    #[error(transparent)]
    Account(#[from] primetech_accounts::operator::AccountError),
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}
