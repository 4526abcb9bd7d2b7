//! What is kept on this device: whole or not at all, for this user's eyes only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::certificate::Jwk;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub lic_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    #[serde(default)]
    pub keys: Vec<Jwk>,
    /// When the licence itself ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence_ends: Option<i64>,
    /// The latest time that was seen, the shop's where it told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}

/// What is stored, or `None` where that is nothing, or nothing that can be used.
pub fn load(file: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Replaces what is stored in one step.
pub fn store(file: &Path, state: &State) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    // In the same folder, so that the replacement is one step; by process, so that two do not write one draft.
    let draft = folder.join(format!(".licence-{}", std::process::id()));
    let replaced = write(&draft, state).and_then(|()| fs::rename(&draft, file));
    if replaced.is_err() {
        // What failed is told; a draft that stays behind harms nobody.
        let _removed = fs::remove_file(&draft);
    }
    replaced
}

pub fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write(draft: &Path, state: &State) -> io::Result<()> {
    let mut file = open(draft)?;
    file.write_all(&serde_json::to_vec(state)?)?;
    file.sync_all()
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn open(file: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)
}

// In a user's own AppData folder, which others cannot read.
#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(not(unix))]
fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(file)
}
