//! The cluster's folder: what lies where, whose it is, and how far its making has come.
//!
//! Invariant: nothing is removed from a folder that does not carry our marker, and two processes never hold one
//! folder at the same time (the lock ends with the process that holds it, however it ends).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::error::ClusterError;

const LOCK: &str = "primetech-cluster.lock";
const MARKER: &str = "primetech-cluster";
const BEGUN: &str = "being made\n";
const MADE: &str = "made\n";

#[derive(Debug)]
pub struct Folder {
    pub root: PathBuf,
    /// PostgreSQL's own data directory.
    pub pgdata: PathBuf,
    pub log: PathBuf,
    pub password: PathBuf,
    pub port: PathBuf,
    marker: PathBuf,
    lock: File,
}

impl Folder {
    /// Takes hold of the folder, making it where there is none.
    pub fn open(data_dir: &Path) -> Result<Self, ClusterError> {
        make_private_folder(data_dir).map_err(ClusterError::io("could not make", data_dir))?;
        // Absolute and without links: PostgreSQL writes it down, and left-over processes are found by it.
        let root = plain_canonical(data_dir).map_err(ClusterError::io("could not resolve", data_dir))?;
        refuse_other_owner(&root)?;
        refuse_foreign(&root)?;
        let lock = take_lock(&root)?;
        let marker = root.join(MARKER);
        if !marker.exists() {
            write_private(&marker, BEGUN)?;
        }
        Ok(Self {
            pgdata: root.join("pgdata"),
            log: root.join("postgres.log"),
            password: root.join("superuser-password"),
            port: root.join("port"),
            marker,
            root,
            lock,
        })
    }

    /// Whether the making was completed once.
    pub fn is_made(&self) -> Result<bool, ClusterError> {
        let marker =
            fs::read_to_string(&self.marker).map_err(ClusterError::io("could not read", &self.marker))?;
        Ok(marker == MADE)
    }

    /// The major version of the PostgreSQL that made the cluster.
    pub fn version(&self) -> Result<u32, ClusterError> {
        let damaged = |what| ClusterError::Damaged { data_dir: self.root.clone(), what };
        let version = fs::read_to_string(self.pgdata.join("PG_VERSION"))
            .map_err(|_| damaged("its PG_VERSION cannot be read"))?;
        version.trim().parse().map_err(|_| damaged("its PG_VERSION is no number"))
    }

    /// Removes what an interrupted making left.
    pub fn clear(&self) -> Result<(), ClusterError> {
        match fs::remove_dir_all(&self.pgdata) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(ClusterError::io("could not remove", &self.pgdata)(error))
            }
            _ => Ok(()),
        }
    }

    /// Records that the cluster is whole. Until then the next start makes it anew.
    pub fn set_made(&self) -> Result<(), ClusterError> {
        write_private(&self.marker, MADE)
    }

    /// Puts the last run's log aside, so that what is read in the log is of this run.
    pub fn rotate_log(&self) -> Result<(), ClusterError> {
        match fs::rename(&self.log, self.root.join("postgres.previous.log")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(ClusterError::io("could not put aside", &self.log)(error))
            }
            _ => Ok(()),
        }
    }

    pub fn open_log(&self) -> Result<File, ClusterError> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(ClusterError::io("could not open", &self.log))
    }

    /// The end of the log, for an error's text.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing the file alone would leave the lock for a moment with any child that another thread is just
        // starting. An error means that the file is gone, and the lock with it.
        let _unlocked = self.lock.unlock();
    }
}

/// Whether the folder carries our marker and nobody holds it. Changes nothing.
pub fn is_abandoned(root: &Path) -> bool {
    let free = |lock: File| lock.try_lock().is_ok();
    root.join(MARKER).is_file() && OpenOptions::new().append(true).open(root.join(LOCK)).is_ok_and(free)
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, content: &str) -> Result<(), ClusterError> {
    let written = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(&written)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&written, path)?;
        // A marker that a power cut takes back would have the whole cluster taken for half made.
        #[cfg(unix)]
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        Ok(())
    };
    write().map_err(ClusterError::io("could not write", path))
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        // Reachable, as folders usually are: the user that PostgreSQL runs as may be another.
        fs::create_dir_all(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// As [`fs::canonicalize`], without the `\\?\` that PostgreSQL's programs for Windows do not understand.
fn plain_canonical(path: &Path) -> std::io::Result<PathBuf> {
    let canonical = fs::canonicalize(path)?;
    let plain = canonical.to_str().and_then(|path| path.strip_prefix(r"\\?\")).map(PathBuf::from);
    Ok(plain.unwrap_or(canonical))
}

#[cfg(unix)]
fn refuse_other_owner(root: &Path) -> Result<(), ClusterError> {
    let own = rustix::process::geteuid();
    let owner = std::os::unix::fs::MetadataExt::uid(
        &fs::metadata(root).map_err(ClusterError::io("could not look at", root))?,
    );
    // Root gives the folder to whom it must belong.
    if own.is_root() || owner == own.as_raw() {
        return Ok(());
    }
    Err(ClusterError::OtherOwner { data_dir: root.to_owned(), owner })
}

#[cfg(not(unix))]
fn refuse_other_owner(_root: &Path) -> Result<(), ClusterError> {
    Ok(())
}

fn refuse_foreign(root: &Path) -> Result<(), ClusterError> {
    if root.join(MARKER).is_file() {
        return Ok(());
    }
    for entry in fs::read_dir(root).map_err(ClusterError::io("could not list", root))? {
        let entry = entry.map_err(ClusterError::io("could not list", root))?;
        // Another process may be at the very beginning of making this cluster.
        let name = entry.file_name();
        if name != LOCK && !name.to_string_lossy().starts_with(MARKER) {
            return Err(ClusterError::NotOurs { data_dir: root.to_owned() });
        }
    }
    Ok(())
}

fn take_lock(root: &Path) -> Result<File, ClusterError> {
    let path = root.join(LOCK);
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(ClusterError::io("could not open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ClusterError::InUse { data_dir: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(ClusterError::io("could not lock", &path)(error)),
    }
}
