//! Why a private cluster could not be started or stopped. The texts are for the person at the terminal.

use std::io;
use std::path::{Path, PathBuf};

/// How to get PostgreSQL, as far as that differs between systems.
pub const HOW_TO_INSTALL: &str = if cfg!(target_os = "macos") {
    "install it with `brew install postgresql@16`"
} else if cfg!(windows) {
    "install it with `winget install PostgreSQL.PostgreSQL.16`"
} else {
    "install it with `apt-get install postgresql` (Debian, Ubuntu) or `dnf install postgresql-server` (Fedora)"
};

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "PostgreSQL {} or newer was not found: {HOW_TO_INSTALL}, or name the folder of its programs in \
         PRIMETECH_PG_BIN. Looked in: {}",
        super::binaries::OLDEST_MAJOR,
        listed(.searched)
    )]
    NotInstalled { searched: Vec<PathBuf> },
    #[error(
        "the cluster in {} was made by PostgreSQL {wanted}, and only {} is installed here: install version {wanted}, \
         or remove that folder to start anew without its data",
        .data_dir.display(),
        .installed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    OtherVersion { data_dir: PathBuf, wanted: u32, installed: Vec<u32> },
    #[error(
        "{} holds files that are not a cluster made here, and is left as it is: name an empty or a new folder",
        .data_dir.display()
    )]
    NotOurs { data_dir: PathBuf },
    #[error("{} is in use by another running process", .data_dir.display())]
    InUse { data_dir: PathBuf },
    #[error("the cluster in {} is damaged ({what}): remove that folder to start anew without its data", .data_dir.display())]
    Damaged { data_dir: PathBuf, what: &'static str },
    #[error(
        "{} belongs to another user (number {owner}): run this as that user, or give the folder away with \
         `chown -R \"$USER\" {}`",
        .data_dir.display(),
        .data_dir.display()
    )]
    OtherOwner { data_dir: PathBuf, owner: u32 },
    #[error(
        "PostgreSQL does not run as root, and no way around that works here ({}). Run this as an ordinary user, or \
         choose a data folder that the user `postgres` can reach (not {})",
        .tried.join("; "),
        .data_dir.display()
    )]
    Root { data_dir: PathBuf, tried: Vec<String> },
    #[error("port {port} of 127.0.0.1 is taken: free it, or choose another")]
    PortTaken { port: u16 },
    #[error("initdb failed: {output}")]
    Initialise { output: String },
    #[error("PostgreSQL did not start ({what}). The end of {}:\n{tail}", .log.display())]
    Start { what: String, log: PathBuf, tail: String },
    #[error("PostgreSQL (process {pid}) left over from an earlier run could not be ended")]
    LeftOver { pid: u32 },
    #[error("PostgreSQL (process {pid}) could not be ended")]
    Stop { pid: u32 },
    #[error("{what} {}: {source}", .path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the thread that served the cluster ended early")]
    Thread,
}

impl ClusterError {
    /// For `map_err`: `what` completes the sentence "could not …" with the path.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
