//! Runs a command with a private PostgreSQL of its own, which lives as long as the command:
//!
//! ```sh
//! cargo run --example with_postgres -- cargo nextest run --workspace
//! ```
//!
//! The command finds the superuser's URL in `TEST_DATABASE_URL`. The exit code is the command's; a signal is passed
//! on to it, and nothing is left behind.
#![allow(clippy::print_stderr)]

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use primetech::dev::postgres::{ClusterOptions, PrivateCluster};
use primetech::process::{Identity, Signal, Supervised, prepare};

/// How long a command may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with_postgres COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    without_traces_of_cargo(&mut command);
    match run(command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with_postgres: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut command: Command) -> Result<ExitCode, Failure> {
    // Heard from here on, so that none in the middle of the start leaves the cluster behind.
    let mut interruption = Interruption::listen()?;
    let folder = tempfile::Builder::new().prefix("primetech-tests-").tempdir()?;
    remove_abandoned(folder.path());
    let mut options = ClusterOptions::fast(folder.path().join("postgres"));
    // Every test process brings a few pools.
    options.settings.push(("max_connections".to_owned(), "500".to_owned()));
    let cluster = PrivateCluster::start(options).await?;
    command.env("TEST_DATABASE_URL", cluster.url("postgres"));
    let ended = supervise(command, &mut interruption).await;
    cluster.stop().await?;
    folder.close()?;
    Ok(as_exit_code(ended?))
}

async fn supervise(mut command: Command, interruption: &mut Interruption) -> Result<ExitStatus, Failure> {
    prepare(&mut command, Identity::Own, &std::env::current_dir()?, Some(Signal::Terminate))?;
    let name = command.get_program().to_owned();
    let child =
        Supervised::spawn(command).map_err(|error| format!("cannot run {}: {error}", name.display()))?;
    let signal = tokio::select! {
        status = child.exited() => return Ok(status?),
        signal = interruption.next() => signal,
    };
    // The terminal has sent its Ctrl-C to the command as well; a second one means something else to many.
    if signal != Signal::Interrupt || !std::io::stdin().is_terminal() {
        child.signal(signal)?;
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.exited()).await {
        return Ok(status?);
    }
    child.signal(Signal::Kill)?;
    Ok(child.exited().await?)
}

/// `cargo run` describes this example in the environment. To a cargo that is the command, those variables look like
/// changed inputs, and it would build half of the dependencies again.
fn without_traces_of_cargo(command: &mut Command) {
    const TRACES: &[&str] =
        &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_PACKAGE"];
    for (name, _) in std::env::vars_os() {
        if TRACES.iter().any(|trace| name.to_string_lossy().starts_with(trace)) {
            command.env_remove(name);
        }
    }
}

/// Removes the folders of runs that were killed outright. A run that lives holds its cluster.
fn remove_abandoned(own: &Path) {
    let Some(parent) = own.parent() else { return };
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with("primetech-tests-") && path != own;
        if ours && PrivateCluster::is_abandoned(&path.join("postgres")) {
            // Another run may be removing it too.
            let _removed = std::fs::remove_dir_all(&path);
        }
    }
}

fn as_exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        // As a shell tells it.
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(unix)]
struct Interruption {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interruption {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Interruption;

#[cfg(not(unix))]
impl Interruption {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
