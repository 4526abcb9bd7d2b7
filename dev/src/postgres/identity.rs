//! The user that PostgreSQL runs as. An ordinary user runs it as itself. PostgreSQL refuses root, so root runs it in
//! a user namespace (files stay root's, every folder root owns is reachable), else as the owner of the folders around
//! the cluster's, else as the user `postgres`.

use std::path::Path;
use std::process::Command;

use super::binaries::Binaries;
use super::error::ClusterError;
use crate::process::Identity;

/// Which ways root takes. The second is for machines and tests where a namespace will not do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AsRoot {
    #[default]
    NamespaceFirst,
    ServiceUser,
}

/// Chooses the user and makes the cluster's folder that user's. `data_dir` is ours already, by its marker.
#[cfg(unix)]
pub fn choose(binaries: &Binaries, data_dir: &Path, as_root: AsRoot) -> Result<Identity, ClusterError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Identity::Own);
    }
    let ways: &[Way] = match as_root {
        AsRoot::NamespaceFirst => &[in_namespace, as_owner, as_service_user],
        AsRoot::ServiceUser => &[as_service_user],
    };
    let mut tried = Vec::new();
    for way in ways {
        match way(binaries, data_dir) {
            Ok(identity) => return Ok(identity),
            Err(reason) => tried.push(reason),
        }
    }
    Err(ClusterError::Root { data_dir: data_dir.to_owned(), tried })
}

#[cfg(not(unix))]
pub fn choose(_binaries: &Binaries, _data_dir: &Path, _as_root: AsRoot) -> Result<Identity, ClusterError> {
    Ok(Identity::Own)
}

/// A way to run PostgreSQL from a root process: the user, or why not.
#[cfg(unix)]
type Way = fn(&Binaries, &Path) -> Result<Identity, String>;

#[cfg(unix)]
fn in_namespace(binaries: &Binaries, data_dir: &Path) -> Result<Identity, String> {
    // initdb looks its user up by number, so the number must be someone's.
    let inside = users().into_iter().map(|user| user.uid).filter(|uid| *uid != 0).max();
    let inside = inside.ok_or("in a user namespace: no ordinary user in /etc/passwd")?;
    give(data_dir, 0, rustix::process::getegid().as_raw())?;
    try_out(binaries, data_dir, Identity::Namespace { inside }, "in a user namespace")
}

/// The user in whose folder we work, as under sudo: a home is often closed to all others, to a root without its
/// privileges too.
#[cfg(unix)]
fn as_owner(binaries: &Binaries, data_dir: &Path) -> Result<Identity, String> {
    use std::os::unix::fs::MetadataExt as _;

    let owners =
        data_dir.ancestors().skip(1).filter_map(|folder| Some(std::fs::metadata(folder).ok()?.uid()));
    let owner =
        owners.into_iter().find(|uid| *uid != 0).ok_or("as the owner of the folders above: that is root")?;
    let user = users().into_iter().find(|user| user.uid == owner);
    let user = user.ok_or("as the owner of the folders above: not in /etc/passwd")?;
    as_user(binaries, data_dir, &user)
}

#[cfg(unix)]
fn as_service_user(binaries: &Binaries, data_dir: &Path) -> Result<Identity, String> {
    let user = users().into_iter().find(|user| user.name == "postgres");
    as_user(binaries, data_dir, &user.ok_or("as the user postgres: there is none")?)
}

#[cfg(unix)]
fn as_user(binaries: &Binaries, data_dir: &Path, user: &User) -> Result<Identity, String> {
    give(data_dir, user.uid, user.gid)?;
    let identity = Identity::Other { uid: user.uid, gid: user.gid };
    try_out(binaries, data_dir, identity, &format!("as the user {}", user.name))
}

/// Whether that user can reach the folder and run the programs. PostgreSQL answers this question as any user.
#[cfg(unix)]
fn try_out(binaries: &Binaries, data_dir: &Path, identity: Identity, way: &str) -> Result<Identity, String> {
    let mut command = Command::new(binaries.program("postgres"));
    command.arg("--version");
    crate::process::prepare(&mut command, identity, data_dir, None)
        .map_err(|error| format!("{way}: {error}"))?;
    match command.output() {
        Ok(answer) if answer.status.success() => Ok(identity),
        Ok(answer) => Err(format!("{way}: {}", answer.status)),
        Err(error) => Err(format!("{way}: {error}")),
    }
}

#[cfg(unix)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

#[cfg(unix)]
fn users() -> Vec<User> {
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { name, uid, gid })
    };
    table.lines().filter_map(parse).collect()
}

/// Gives the folder and all in it to a user, unless it is that user's. Links are given, never followed.
#[cfg(unix)]
fn give(path: &Path, uid: u32, gid: u32) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;

    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    let found = std::fs::symlink_metadata(path).map_err(explain)?;
    if found.uid() == uid && found.gid() == gid {
        return Ok(());
    }
    if found.is_dir() {
        for entry in std::fs::read_dir(path).map_err(explain)? {
            give(&entry.map_err(explain)?.path(), uid, gid)?;
        }
    }
    // The folder itself last: while it is not the user's, an interrupted run is taken up again.
    std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(explain)
}
