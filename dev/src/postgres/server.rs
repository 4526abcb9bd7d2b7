//! Starts the server of a made cluster, waits until it answers, and ends it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::binaries::Binaries;
use super::error::ClusterError;
use super::folder::{Folder, write_private};
use super::{ClusterOptions, Durability};
use crate::free_port;
use crate::process::{Identity, Signal, Supervised, prepare, wait_for};

/// From the first try to the first answer. Recovery after a crash is part of it.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two tries, when the last run's shared memory is still in use or a port was taken from under us.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
const FAST_STOP_LIMIT: Duration = Duration::from_secs(20);
const IMMEDIATE_STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running server: ends when dropped.
#[derive(Debug)]
pub struct Server {
    pub process: Supervised,
    pub port: u16,
    binaries: Binaries,
    #[cfg(not(unix))]
    pgdata: std::path::PathBuf,
}

/// Starts the server and returns once it answers.
pub fn start(
    folder: &Folder,
    binaries: &Binaries,
    identity: Identity,
    options: &ClusterOptions,
) -> Result<Server, ClusterError> {
    let begin = Instant::now();
    folder.rotate_log()?;
    let mut port = first_port(folder, options.port)?;
    loop {
        let server = spawn(folder, binaries, identity, options, port)?;
        let left = START_LIMIT.saturating_sub(begin.elapsed());
        let ready = || server.process.exit_status().is_some() || is_ready(&server, folder);
        let in_time = wait_for(left, ready);
        let Some(status) = server.process.exit_status() else {
            if in_time {
                write_private(&folder.port, &port.to_string())?;
                return Ok(server);
            }
            return Err(failed(folder, &format!("not ready within {} s", START_LIMIT.as_secs())));
        };
        let tail = folder.log_tail();
        let taken = tail.contains("could not create any TCP/IP sockets");
        let draining = tail.contains("pre-existing shared memory block");
        if begin.elapsed() >= START_LIMIT || !(taken || draining) {
            return Err(failed(folder, &status.to_string()));
        }
        if taken && options.port.is_some() {
            return Err(ClusterError::PortTaken { port });
        }
        if taken {
            port = free_port::free_port()
                .map_err(ClusterError::io("could not find a port for", &folder.root))?;
        }
        folder.rotate_log()?;
        std::thread::sleep(RETRY_PAUSE);
    }
}

fn failed(folder: &Folder, what: &str) -> ClusterError {
    ClusterError::Start { what: what.to_owned(), log: folder.log.clone(), tail: folder.log_tail() }
}

/// The port asked for; else the last one, so that a URL noted down stays good; else a free one.
fn first_port(folder: &Folder, wanted: Option<u16>) -> Result<u16, ClusterError> {
    if let Some(port) = wanted {
        return if free_port::is_free(port) { Ok(port) } else { Err(ClusterError::PortTaken { port }) };
    }
    let last = std::fs::read_to_string(&folder.port).ok().and_then(|port| port.trim().parse().ok());
    match last.filter(|port| free_port::is_free(*port)) {
        Some(port) => Ok(port),
        None => free_port::free_port().map_err(ClusterError::io("could not find a port for", &folder.root)),
    }
}

fn spawn(
    folder: &Folder,
    binaries: &Binaries,
    identity: Identity,
    options: &ClusterOptions,
    port: u16,
) -> Result<Server, ClusterError> {
    let program = binaries.program("postgres");
    let duplicate = |log: &File| log.try_clone().map_err(ClusterError::io("could not open", &folder.log));
    let log = folder.open_log()?;
    let mut command = Command::new(&program);
    command.arg("-D").arg(&folder.pgdata);
    for (name, value) in settings(options, port) {
        // Given here they win over the cluster's own files, and need no file of ours.
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.stdin(Stdio::null()).stdout(duplicate(&log)?).stderr(log);
    without_inherited_settings(&mut command);
    // A Ctrl-C at the terminal is for us: we end the server when what uses it has ended.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    prepare(&mut command, identity, &folder.root, Some(Signal::Interrupt))
        .map_err(ClusterError::io("could not prepare", &program))?;
    let process = Supervised::spawn(command).map_err(ClusterError::io("could not run", &program))?;
    Ok(Server {
        process,
        port,
        binaries: binaries.clone(),
        #[cfg(not(unix))]
        pgdata: folder.pgdata.clone(),
    })
}

fn settings(options: &ClusterOptions, port: u16) -> Vec<(String, String)> {
    let port = port.to_string();
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1"),
        ("port", &port),
        // A socket's path is limited to some hundred bytes; a data folder's is not.
        ("unix_socket_directories", ""),
        ("password_encryption", "scram-sha-256"),
        ("shared_buffers", "128MB"),
        ("max_connections", "200"),
        ("wal_compression", "on"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_destination", "stderr"),
        ("logging_collector", "off"),
        ("log_line_prefix", "%m [%p] %u@%d "),
    ];
    if options.durability == Durability::Fast {
        settings.extend([("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")]);
    }
    let ours = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    ours.chain(options.settings.iter().cloned()).collect()
}

/// Variables that steer PostgreSQL's programs for the person's other clusters must not reach this one.
pub fn without_inherited_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PG") || name.starts_with("LC_") || name == "LANG" || name == "TZ" {
            command.env_remove(name);
        }
    }
    // The messages that are searched for above are the untranslated ones.
    command.env("LC_ALL", "C");
}

/// What a running postmaster says of itself in `postmaster.pid`.
#[derive(Debug)]
pub struct PidFile {
    pub pid: u32,
    port: Option<u16>,
    ready: bool,
}

impl PidFile {
    /// None where there is no such file, or not yet a whole one.
    pub fn read(pgdata: &Path) -> Option<Self> {
        let content = std::fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = content.lines().map(str::trim).collect();
        Some(Self {
            pid: lines.first()?.parse().ok()?,
            port: lines.get(3).and_then(|line| line.parse().ok()),
            ready: lines.get(7) == Some(&"ready"),
        })
    }
}

fn is_ready(server: &Server, folder: &Folder) -> bool {
    let says_so = PidFile::read(&folder.pgdata)
        .is_some_and(|file| file.ready && file.pid == server.process.pid() && file.port == Some(server.port));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    says_so && TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

impl Server {
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Ends the server: open transactions are rolled back, clients cut off, everything committed written. Blocks.
    pub fn stop(&self) -> Result<(), ClusterError> {
        for (signal, limit) in [
            (Signal::Interrupt, FAST_STOP_LIMIT),
            (Signal::Quit, IMMEDIATE_STOP_LIMIT),
            (Signal::Kill, IMMEDIATE_STOP_LIMIT),
        ] {
            if self.process.exit_status().is_some() {
                return Ok(());
            }
            self.ask_to_end(signal, limit);
            if self.process.wait_at_most(limit) {
                return Ok(());
            }
            tracing::warn!(pid = self.process.pid(), ?signal, "PostgreSQL has not ended in time");
        }
        Err(ClusterError::Stop { pid: self.process.pid() })
    }

    #[cfg(unix)]
    fn ask_to_end(&self, signal: Signal, _limit: Duration) {
        if let Err(error) = self.process.signal(signal) {
            tracing::warn!(pid = self.process.pid(), %error, "could not signal PostgreSQL");
        }
    }

    #[cfg(not(unix))]
    fn ask_to_end(&self, signal: Signal, limit: Duration) {
        match signal {
            Signal::Kill => drop(self.process.signal(Signal::Kill)),
            // Other systems have no signals.
            _ => stop_with_pg_ctl(&self.binaries, &self.pgdata, limit),
        }
    }
}

#[cfg(not(unix))]
pub fn stop_with_pg_ctl(binaries: &Binaries, pgdata: &Path, limit: Duration) {
    let mut command = Command::new(binaries.program("pg_ctl"));
    command.arg("stop").arg("-D").arg(pgdata).args(["-m", "fast", "-w", "-t", &limit.as_secs().to_string()]);
    // What counts is whether the server has ended, which the caller looks at.
    let _answer = command.output();
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "a private PostgreSQL was left behind");
        }
    }
}
