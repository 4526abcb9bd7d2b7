//! What one data directory keeps between starts: the secrets and ports of its parts, made at the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use primetech_actors::random;
use serde::{Deserialize, Serialize};

use super::free_port::{free_port, is_free};

const FILE: &str = "settings.json";
const LOCK: &str = "lock";

/// Secrets of a development installation. Good for nothing anywhere else.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    pub session_secret: String,
    pub licence_signing_key: String,
    pub stripe_secret_key: String,
    pub stripe_webhook_secret: String,
    pub store_access_key: String,
    pub store_secret_key: String,
    pub store_port: u16,
    pub stripe_port: u16,
}

impl Settings {
    /// Those of an earlier start, with other ports where theirs are taken; else new ones.
    pub(super) fn load_or_make(data_directory: &Path) -> io::Result<Self> {
        let path = data_directory.join(FILE);
        let mut settings = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(),
            Err(error) => return Err(error),
        };
        for port in [&mut settings.store_port, &mut settings.stripe_port] {
            if *port == 0 || !is_free(*port) {
                *port = free_port()?;
            }
        }
        settings.save(&path)?;
        Ok(settings)
    }

    fn make() -> Self {
        let word = || BASE64_URL_SAFE_NO_PAD.encode(random::token_bytes());
        Self {
            session_secret: word(),
            licence_signing_key: BASE64_STANDARD.encode(random::token_bytes()),
            stripe_secret_key: format!("sk_test_{}", word().replace(['-', '_'], "0")),
            stripe_webhook_secret: format!("whsec_{}", word().replace(['-', '_'], "0")),
            store_access_key: "development".to_owned(),
            store_secret_key: word(),
            store_port: 0,
            stripe_port: 0,
        }
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self).map_err(io::Error::other)?)
    }
}

/// Replaces a file as a whole, readable by its owner only.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(draft, path)
}

/// Held as long as this process uses the data directory. None: another process does.
pub(super) fn lock(data_directory: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(data_directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}
