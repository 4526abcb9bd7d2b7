//! Makes a cluster with initdb, once.

use std::fs;
use std::process::{Command, Stdio};

use super::binaries::Binaries;
use super::error::ClusterError;
use super::folder::{Folder, write_private};
use super::{Durability, SUPERUSER};
use crate::process::{Identity, Signal, prepare};

/// Makes the cluster unless it is made. True when this call made it.
pub fn initialise(
    folder: &Folder,
    binaries: &Binaries,
    identity: Identity,
    durability: Durability,
) -> Result<bool, ClusterError> {
    if folder.is_made()? {
        return Ok(false);
    }
    folder.clear()?;
    write_private(&folder.password, &new_password()?)?;
    hand_over(folder, identity)?;
    let mut command = Command::new(binaries.program("initdb"));
    command
        .arg("--pgdata")
        .arg(&folder.pgdata)
        .arg("--pwfile")
        .arg(&folder.password)
        .args(["--username", SUPERUSER])
        // The same on every system, and what sorts and compares is the same too.
        .args(["--encoding=UTF8", "--locale=C"])
        .args(["--auth-host=scram-sha-256", "--auth-local=reject"])
        .stdin(Stdio::null());
    if durability == Durability::Fast {
        command.arg("--no-sync");
    }
    super::server::without_inherited_settings(&mut command);
    prepare(&mut command, identity, &folder.root, Some(Signal::Terminate))
        .map_err(ClusterError::io("could not prepare", &binaries.program("initdb")))?;
    let answer = command.output().map_err(ClusterError::io("could not run", &binaries.program("initdb")))?;
    if !answer.status.success() {
        let output = format!("{}\n{}", answer.status, String::from_utf8_lossy(&answer.stderr).trim());
        return Err(ClusterError::Initialise { output });
    }
    // Loopback with the password, and nothing else: no local sockets, no replication.
    write_access(folder, identity)?;
    folder.set_made()?;
    Ok(true)
}

fn write_access(folder: &Folder, identity: Identity) -> Result<(), ClusterError> {
    let path = folder.pgdata.join("pg_hba.conf");
    fs::write(&path, "host all all 127.0.0.1/32 scram-sha-256\n")
        .map_err(ClusterError::io("could not write", &path))?;
    give_to(&path, identity)
}

fn hand_over(folder: &Folder, identity: Identity) -> Result<(), ClusterError> {
    give_to(&folder.password, identity)
}

/// A file that root has just written must be readable by the user that PostgreSQL runs as.
#[cfg(unix)]
fn give_to(path: &std::path::Path, identity: Identity) -> Result<(), ClusterError> {
    match identity {
        Identity::Other { uid, gid } => std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(ClusterError::io("could not give away", path)),
        Identity::Own | Identity::Namespace { .. } => Ok(()),
    }
}

#[cfg(not(unix))]
fn give_to(_path: &std::path::Path, _identity: Identity) -> Result<(), ClusterError> {
    Ok(())
}

/// 128 bits from the operating system, in hexadecimal: no letter of it needs escaping in a URL.
fn new_password() -> Result<String, ClusterError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| ClusterError::Initialise { output: error.to_string() })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
