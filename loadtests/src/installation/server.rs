use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use primetech::dev::free_port::free_port;
use primetech::process::{Identity, Signal, Supervised, prepare};

use crate::Failure;
use crate::http::{Connection, Template};

const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Between two questions whether it is ready: shorter than what is measured by far.
const POLL: Duration = Duration::from_millis(1);

/// A process of `primetech serve`.
pub struct ServerProcess {
    process: Supervised,
    pub address: SocketAddr,
    /// From its start to its first ready answer.
    pub ready_after: Duration,
}

impl ServerProcess {
    /// Starts it with nothing but `variables`, and waits until it is ready.
    pub async fn start(
        program: &Path,
        variables: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let port = free_port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = log_file(folder, port);
        let log_to = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(program);
        command.arg("serve").env_clear().envs(variables).env("PORT", port.to_string());
        command.stdin(Stdio::null()).stdout(log_to.try_clone()?).stderr(log_to);
        // A Ctrl-C at the terminal is for us: we end the process when its clients are done.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        prepare(&mut command, Identity::Own, folder, Some(Signal::Terminate))?;
        let begun = Instant::now();
        let process = Supervised::spawn(command)
            .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        while !is_ready(address).await {
            if process.exit_status().is_some() || begun.elapsed() > READY_LIMIT {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("{} serve did not become ready:\n{said}", program.display()).into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { process, address, ready_after: begun.elapsed() })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Resident memory in bytes, where the system tells.
    pub fn resident_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    }

    pub async fn stop(self) -> Result<(), Failure> {
        self.process.signal(Signal::Terminate)?;
        if tokio::time::timeout(STOP_LIMIT, self.process.exited()).await.is_err() {
            self.process.signal(Signal::Kill)?;
            self.process.exited().await?;
            return Err("the service did not end when it was told to".into());
        }
        Ok(())
    }
}

fn log_file(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("serve-{port}.log"))
}

async fn is_ready(address: SocketAddr) -> bool {
    let asked = async {
        let mut request = Vec::new();
        Template::get("/ready", "127.0.0.1").write(&mut request, b"");
        let mut connection = Connection::open(address).await?;
        Ok::<_, std::io::Error>(connection.exchange(&request).await?.status == 200)
    };
    asked.await.unwrap_or(false)
}
