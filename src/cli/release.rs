//! `primetech release`: publishes and lists the files that customers download. Needs `DATABASE_URL`; publishing also
//! needs the store's variables.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use primetech_actors::random;
use primetech_actors::stored_file::{StoredFile, object_key};
use primetech_downloads::{NewRelease, PublishError, ReleaseName, ReleaseView, list_all, prepare, publish};
use primetech_s3::{Patience, Storage, StorageError, UploadError, Uploaded};
use tokio::fs::File;
use tokio::io::AsyncRead;
use uuid::Uuid;

use super::failure::{Checks, Failure};
use super::output::{Record, Reply, Table, say, time};
use super::workplace::{Workplace, execute};
use crate::config::storage;
use crate::input::rules;

const MEDIA_TYPE: &str = "application/octet-stream";

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: ReleaseCommand,
}

#[derive(Subcommand)]
enum ReleaseCommand {
    /// Upload a file to the store and publish it
    #[command(
        after_help = "Examples:\n  primetech release publish --tenant acme --sku acme-suite --version 7.1.0 acme-suite-7.1.0.zip\n  \
                            primetech release publish --tenant acme --sku acme-suite --version 7.1.0 --platform windows \\\n      \
                            --notes-file NOTES.md --file-name setup.exe build/setup.exe\n\n\
                            The file is read once and sent in parts; its size and SHA-256 are recorded. The release is visible\n\
                            only when the whole file is in the store, so an interrupted command can be repeated. A published\n\
                            version never changes."
    )]
    Publish(Box<PublishArguments>),
    /// List a tenant's releases, newest first
    #[command(after_help = "Example:\n  primetech release list --tenant acme --json")]
    List(ListArguments),
}

#[derive(Args)]
struct PublishArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The product's code
    #[arg(long)]
    sku: String,
    /// The version
    #[arg(long)]
    version: String,
    #[arg(long, default_value = "stable")]
    channel: String,
    /// The platform
    #[arg(long, default_value = "any")]
    platform: String,
    /// The release notes
    #[arg(long, conflicts_with = "notes_file")]
    notes: Option<String>,
    /// A file with the release notes
    #[arg(long, value_name = "PATH")]
    notes_file: Option<PathBuf>,
    /// The file name that customers see; by default the file's own name
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    file_name: Option<String>,
    /// Instead of a file, publish what an administrator uploaded to this release through a signed URL
    #[arg(long, value_name = "RELEASE_ID", conflicts_with = "file")]
    uploaded: Option<Uuid>,
    /// The file to publish
    #[arg(required_unless_present = "uploaded")]
    file: Option<PathBuf>,
}

#[derive(Args)]
struct ListArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    execute(arguments.json, async {
        match arguments.command {
            ReleaseCommand::Publish(wish) => publish_release(&wish).await,
            ReleaseCommand::List(wish) => list(&wish).await,
        }
    })
}

async fn list(arguments: &ListArguments) -> Result<Reply, Failure> {
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let releases = list_all(&workplace.database, tenant.scope()).await?;
    let mut table =
        Table::new(&["SKU", "VERSION", "CHANNEL", "PLATFORM", "FILE", ">BYTES", "PUBLISHED", "ID"]);
    for release in &releases {
        table.row([
            release.product_sku.clone(),
            release.version.clone(),
            release.channel.clone(),
            release.platform.clone(),
            release.file_name.clone(),
            release.size_bytes.to_string(),
            time(release.published_at),
            release.id.to_string(),
        ]);
    }
    Ok(Reply::new(&releases, table.text("no releases"))?)
}

/// Arguments that were found right.
struct Wish {
    name: ReleaseName,
    file_name: String,
    notes: Option<String>,
}

fn check(arguments: &PublishArguments) -> Result<Wish, Failure> {
    let notes = match &arguments.notes_file {
        None => arguments.notes.clone(),
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?),
    };
    let own_name = arguments.file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let file_name = arguments.file_name.clone().or_else(|| own_name.map(String::from)).unwrap_or_default();
    let mut checks = Checks::new();
    let sku = checks.value("--sku", &arguments.sku, rules::sku);
    let version = checks.value("--version", &arguments.version, word);
    let channel = checks.value("--channel", &arguments.channel, word);
    let platform = checks.value("--platform", &arguments.platform, word);
    let file_name = checks.value("--file-name", &file_name, plain_file_name);
    let notes = checks.optional("--notes", notes.as_deref(), rules::lines(1..=20_000));
    let values = (|| {
        let name = ReleaseName { sku: sku?, version: version?, channel: channel?, platform: platform? };
        Some(Wish { name, file_name: file_name?, notes: notes? })
    })();
    checks.finish(values)
}

/// Versions, channels and platforms, as they may stand in a file's name.
fn word(text: &str) -> Result<String, &'static str> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 64 of A-Z a-z 0-9 . _ + -") }
}

fn plain_file_name(text: &str) -> Result<String, rules::Flaw> {
    if text.contains(['/', '\\']) || matches!(text, "." | "..") {
        return Err("must be a name without a folder".into());
    }
    rules::text(1..=255)(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::Refused(format!("{} cannot be read: {error}", path.display()))
}

async fn publish_release(arguments: &PublishArguments) -> Result<Reply, Failure> {
    let Wish { name, file_name, notes } = check(arguments)?;
    let storage = Storage::new(&storage()?, Patience::Transfer);
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let target = prepare(&workplace.database, tenant.scope(), &name).await?;
    let id = random::row_id(workplace.now());
    let object_key = object_key::of_release(tenant.id, id);
    let uploaded_key = arguments.uploaded.map(|release| object_key::of_upload(tenant.id, release));
    let uploaded = match (&arguments.file, &uploaded_key) {
        (Some(path), _) => {
            let file = File::open(path).await.map_err(|error| unreadable(path, &error))?;
            let meta = file.metadata().await.map_err(|error| unreadable(path, &error))?;
            if !meta.is_file() {
                return Err(Failure::Refused(format!("{} is not a file", path.display())));
            }
            carry(&storage, &object_key, file, Some(meta.len())).await?
        }
        (None, Some(key)) => {
            let source = storage.read(key).await.map_err(|error| match error {
                StorageError::Refused(404) => Failure::refused("nothing was uploaded to this release"),
                error => error.into(),
            })?;
            carry(&storage, &object_key, source, None).await?
        }
        (None, None) => return Err(Failure::argument("FILE", "is missing")),
    };
    let file = StoredFile {
        bucket: storage.bucket().to_owned(),
        object_key: object_key.clone(),
        size_bytes: uploaded.size_bytes,
        sha256: uploaded.sha256,
    };
    let ReleaseName { version, channel, platform, .. } = name;
    let release = NewRelease { id, version, channel, platform, file_name, notes, file };
    match publish(&workplace.database, workplace.clock.as_ref(), &target, &release).await {
        Ok(release) => {
            if let Some(key) = &uploaded_key {
                remove(&storage, key).await;
            }
            Ok(Reply::new(&release, record(&release).text())?)
        }
        Err(error) => {
            // Where the outcome is not known, the release may be there and need its file.
            if matches!(error, PublishError::AlreadyPublished) {
                remove(&storage, &object_key).await;
            }
            Err(error.into())
        }
    }
}

fn record(release: &ReleaseView) -> Record {
    Record::new()
        .with("id", release.id.to_string())
        .with("product", &release.product_sku)
        .with("version", format!("{} ({}, {})", release.version, release.channel, release.platform))
        .with("file", &release.file_name)
        .with("bytes", release.size_bytes.to_string())
        .with("sha256", &release.sha256)
        .with("published", time(release.published_at))
}

/// Carries a file to the store, with a bar at a terminal; Ctrl-C leaves nothing of it there.
async fn carry(
    storage: &Storage,
    key: &str,
    source: impl AsyncRead,
    size: Option<u64>,
) -> Result<Uploaded, Failure> {
    let bar = match size {
        _ if !io::stderr().is_terminal() => ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden()),
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::no_length(),
    };
    let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let interrupted = async {
        // Where no signal can be listened to, the process just ends by it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let carried = storage.upload(key, MEDIA_TYPE, source, &mut |bytes| bar.inc(bytes), interrupted).await;
    bar.finish_and_clear();
    Ok(carried?)
}

/// What is left over costs room and nothing else.
async fn remove(storage: &Storage, key: &str) {
    if let Err(error) = storage.delete(key).await {
        say(&format!("an unused file is left in the store: {error}"));
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Fault(fault) => fault.into(),
            error => Self::refused(error),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Refused(format!("nothing was published: {error}"))
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        Self::Refused(format!("nothing was published: {error}"))
    }
}
