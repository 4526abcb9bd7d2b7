//! `primetech release`: needs DATABASE_URL and the store's variables.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actix_web::rt;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use primetech_actors::clock::{Clock, SystemClock};
use primetech_actors::database::Database;
use primetech_actors::fault::Fault;
use primetech_actors::random;
use primetech_actors::release::{
    NewRelease, PublishError, PublishTarget, ReleaseName, ReleaseView, list_all, prepare, publish,
};
use primetech_actors::stored_file::{StoredFile, object_key};
use primetech_actors::tenancy::{TenantScope, scope_of_slug};
use secrecy::SecretString;
use tokio::fs::File;
use tokio::io::AsyncRead;
use uuid::Uuid;

use super::fail;
use crate::config;
use crate::input::rules;
use crate::integrations::storage::{Patience, Storage, StorageError, UploadError};

const CONNECTIONS: u32 = 2;
const MEDIA_TYPE: &str = "application/octet-stream";

#[derive(Subcommand)]
pub(super) enum Commands {
    /// Carry a file to the store, and publish it as a version of a product
    Publish(Publish),
    /// List what a tenant has published
    List(List),
}

#[derive(Args)]
#[command(after_help = "Examples:
  primetech release publish --tenant acme --sku acme-suite --version 7.1.0 acme-suite-7.1.0.zip
  primetech release publish --tenant acme --sku acme-suite --version 7.1.0 --platform windows \\
      --notes-file NOTES.md --file-name setup.exe target/release/setup.exe

The file is read once and sent in parts; its size and SHA-256 are recorded. Nobody sees the release before the whole
file is in the store, so an interrupted command can be given again. A published version never changes.")]
pub(super) struct Publish {
    /// The tenant's slug
    #[arg(long)]
    tenant: String,
    /// The product's code
    #[arg(long)]
    sku: String,
    /// What this release is called
    #[arg(long)]
    version: String,
    #[arg(long, default_value = "stable")]
    channel: String,
    /// What it runs on
    #[arg(long, default_value = "any")]
    platform: String,
    /// What is new
    #[arg(long, conflicts_with = "notes_file")]
    notes: Option<String>,
    /// What is new, from a file
    #[arg(long, value_name = "PATH")]
    notes_file: Option<PathBuf>,
    /// What customers save the file as; by default the file's own name
    #[arg(long, value_name = "NAME")]
    file_name: Option<String>,
    /// Publish what an administrator uploaded to this release, in place of a file
    #[arg(long, value_name = "RELEASE_ID", conflicts_with = "file", requires = "file_name")]
    uploaded: Option<Uuid>,
    /// Print the release as JSON
    #[arg(long)]
    json: bool,
    #[arg(required_unless_present = "uploaded")]
    file: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Example:
  primetech release list --tenant acme --json")]
pub(super) struct List {
    /// The tenant's slug
    #[arg(long)]
    tenant: String,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum ReleaseError {
    #[error("there is no tenant {0}")]
    NoTenant(String),
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("--{option}: {flaw}")]
    Argument { option: &'static str, flaw: String },
    #[error("nothing was uploaded to release {0}")]
    NothingUploaded(Uuid),
    #[error(transparent)]
    Database(#[from] primetech_actors::database::InvalidDatabaseUrl),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("nothing was published: {0}")]
    Upload(#[from] UploadError),
    #[error("nothing was published: {0}")]
    Store(#[from] StorageError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Output(#[from] io::Error),
}

pub(super) fn run(command: &Commands) -> ExitCode {
    let done = match command {
        Commands::Publish(arguments) => match config::database_url_and_storage() {
            Ok((url, storage)) => {
                let storage = Storage::new(&storage, Patience::Transfer);
                rt::System::new().block_on(publish_release(arguments, &url, &storage))
            }
            Err(faults) => return fail(faults),
        },
        Commands::List(arguments) => match config::database_url() {
            Ok(url) => rt::System::new().block_on(list_releases(arguments, &url)),
            Err(faults) => return fail(faults),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}
