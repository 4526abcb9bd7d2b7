//! Finds an installed PostgreSQL: `PRIMETECH_PG_BIN`, else `PATH`, else the places where packages put it.

use std::env::{self, consts::EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ClusterError;

/// The schema and the queries are held to this version and newer ones.
pub const OLDEST_MAJOR: u32 = 14;

/// The programs of one installed version.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// The newest installed version, or, for a cluster that exists, exactly the one that made it: PostgreSQL does
    /// not open the files of another major version.
    pub fn find(data_dir: &Path, wanted: Option<u32>) -> Result<Self, ClusterError> {
        let folders = match env::var_os("PRIMETECH_PG_BIN") {
            Some(folder) => vec![PathBuf::from(folder)],
            None => usual_folders(),
        };
        let mut installed: Vec<Self> = folders
            .iter()
            .filter_map(|folder| Self::in_folder(folder))
            .filter(|it| it.major >= OLDEST_MAJOR)
            .collect();
        // Stable: of the same version the first in the order of search wins.
        installed.sort_by_key(|it| std::cmp::Reverse(it.major));
        let majors: Vec<u32> = installed.iter().map(|it| it.major).collect();
        let mut fitting = installed.into_iter().filter(|it| wanted.is_none_or(|wanted| it.major == wanted));
        match (fitting.next(), wanted) {
            (Some(found), _) => Ok(found),
            (None, Some(wanted)) if !majors.is_empty() => {
                Err(ClusterError::OtherVersion { data_dir: data_dir.to_owned(), wanted, installed: majors })
            }
            (None, _) => Err(ClusterError::NotInstalled { searched: folders }),
        }
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{EXE_SUFFIX}"))
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let found = Self { folder: folder.to_owned(), major: 0 };
        if !found.program("initdb").is_file() || !found.program("postgres").is_file() {
            return None;
        }
        let answer = Command::new(found.program("postgres")).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&answer.stdout))?;
        Some(Self { major, ..found })
    }
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `17beta1` and the like.
fn major_of(answer: &str) -> Option<u32> {
    let version = answer.split_once("(PostgreSQL) ")?.1;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A place where every version has a folder of its own, `*` standing for the version.
const VERSIONED_FOLDERS: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin",
    "C:\\Program Files\\PostgreSQL\\*\\bin",
];

fn usual_folders() -> Vec<PathBuf> {
    let on_path =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let versioned = VERSIONED_FOLDERS.iter().flat_map(|pattern| expand(pattern));
    on_path.into_iter().chain(versioned).collect()
}

/// The existing folders that a pattern with one `*` fits.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return Vec::new() };
    let cut = before.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let (parent, prefix) = before.split_at(cut);
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after.trim_start_matches(['/', '\\'])))
        .filter(|folder| folder.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_packagers_write_them() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major_of("postgres\n"), None);
    }
}
