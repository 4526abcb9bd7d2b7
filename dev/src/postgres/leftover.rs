//! Ends what an earlier run left running on a cluster's folder, when that run was killed outright.
//!
//! Only called while the folder's lock is held, so no living run of ours owns these processes. A process is ended
//! only when it is PostgreSQL and works in exactly this folder; a number in a stale file proves nothing.

use std::path::Path;
use std::time::Duration;

use super::binaries::Binaries;
use super::error::ClusterError;
use super::folder::Folder;
use super::server::PidFile;

/// Long enough for the checkpoint of an orderly end.
#[cfg(unix)]
const ORDERLY: Duration = Duration::from_secs(15);
#[cfg(unix)]
const AT_ONCE: Duration = Duration::from_secs(5);

#[cfg(unix)]
pub fn end(_binaries: &Binaries, folder: &Folder) -> Result<(), ClusterError> {
    use crate::process::{Signal, process_exists, send_signal, wait_for};

    let recorded = PidFile::read(&folder.pgdata).map(|file| file.pid);
    let working = || working_in(&folder.pgdata, recorded);
    // The postmaster ends its children; where it was killed, they notice within a moment, or are told.
    let steps = [(Signal::Interrupt, ORDERLY), (Signal::Quit, AT_ONCE), (Signal::Kill, AT_ONCE)];
    for (signal, limit) in steps {
        let found = working();
        let postmaster = found.iter().copied().find(|pid| Some(*pid) == recorded);
        let told = postmaster.map_or_else(|| found.clone(), |postmaster| vec![postmaster]);
        for pid in told {
            // To a child without a postmaster, an interrupt would only cancel its query.
            let signal =
                if postmaster.is_none() && signal == Signal::Interrupt { Signal::Terminate } else { signal };
            // It may end by itself at this very moment: what counts is asked below.
            let _gone_already = send_signal(pid, signal);
        }
        let limit = if postmaster.is_none() { limit.min(AT_ONCE) } else { limit };
        if wait_for(limit, || working().is_empty()) {
            break;
        }
    }
    if let Some(pid) = working().first() {
        return Err(ClusterError::LeftOver { pid: *pid });
    }
    // The number may meanwhile be another program's; PostgreSQL would take that for a running postmaster.
    if recorded.is_some_and(process_exists) {
        let stale = folder.pgdata.join("postmaster.pid");
        match std::fs::remove_file(&stale) {
            // A postmaster that ended in order took it away itself, and is there until someone takes note of its end.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.map_err(ClusterError::io("could not remove", &stale))?,
        }
    }
    Ok(())
}

/// Where there are no signals, pg_ctl knows how to reach a postmaster.
#[cfg(not(unix))]
pub fn end(binaries: &Binaries, folder: &Folder) -> Result<(), ClusterError> {
    if let Some(file) = PidFile::read(&folder.pgdata) {
        super::server::stop_with_pg_ctl(binaries, &folder.pgdata, Duration::from_secs(15));
        if PidFile::read(&folder.pgdata).is_some() && is_postgres(file.pid) {
            return Err(ClusterError::LeftOver { pid: file.pid });
        }
        let stale = folder.pgdata.join("postmaster.pid");
        if stale.exists() {
            std::fs::remove_file(&stale).map_err(ClusterError::io("could not remove", &stale))?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn is_postgres(pid: u32) -> bool {
    let filter = format!("PID eq {pid}");
    let listing = std::process::Command::new("tasklist").args(["/NH", "/FO", "CSV", "/FI", &filter]).output();
    listing.is_ok_and(|listing| String::from_utf8_lossy(&listing.stdout).contains("postgres"))
}

/// PostgreSQL's processes (postmaster, its children, initdb's) that have this data directory as their working one.
#[cfg(target_os = "linux")]
fn working_in(pgdata: &Path, _recorded: Option<u32>) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let fits = |pid: u32| {
        let process = Path::new("/proc").join(pid.to_string());
        let works_here = std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == pgdata);
        works_here && is_postgres(&process)
    };
    processes
        .flatten()
        .filter_map(|it| it.file_name().to_str()?.parse().ok())
        .filter(|pid| fits(*pid))
        .collect()
}

#[cfg(target_os = "linux")]
fn is_postgres(process: &Path) -> bool {
    let program = std::fs::read_link(process.join("exe")).unwrap_or_default();
    // An upgraded package leaves " (deleted)" behind the name.
    program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("postgres"))
}

/// Without /proc: the recorded postmaster, when its command line is PostgreSQL's and names this data directory.
#[cfg(all(unix, not(target_os = "linux")))]
fn working_in(pgdata: &Path, recorded: Option<u32>) -> Vec<u32> {
    let fits = |pid: &u32| {
        let listing = std::process::Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output();
        listing.is_ok_and(|listing| {
            let line = String::from_utf8_lossy(&listing.stdout).into_owned();
            line.contains("postgres") && line.contains(&*pgdata.to_string_lossy())
        })
    };
    recorded.into_iter().filter(fits).collect()
}
