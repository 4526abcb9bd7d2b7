//! A process of `primetech serve`, which tests end in every way that processes end.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use primetech::process::{Identity, Signal, Supervised, prepare};

use crate::world::{LIMIT, until};

pub struct Service {
    process: Supervised,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Service {
    /// Starts it with nothing but `variables`, at a port that stays the same over restarts.
    pub fn spawn(variables: &BTreeMap<&'static str, String>, port: u16, folder: &Path) -> Self {
        let log = folder.join("service.log");
        let log_to = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_primetech"));
        command.arg("serve").env_clear().envs(variables).env("PORT", port.to_string());
        command.stdin(Stdio::null()).stdout(log_to.try_clone().unwrap()).stderr(log_to);
        command.process_group(0);
        prepare(&mut command, Identity::Own, folder, Some(Signal::Kill)).unwrap();
        let process = Supervised::spawn(command).unwrap();
        Self { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), log }
    }

    pub async fn is_ready(&self) -> bool {
        assert!(self.process.exit_status().is_none(), "it ended:\n{}", self.said());
        let asked =
            reqwest::Client::new().get(format!("http://{}/ready", self.address)).timeout(LIMIT).send();
        asked.await.is_ok_and(|answer| answer.status() == 200)
    }

    pub async fn ready(self) -> Self {
        until("the service is ready", LIMIT, async || self.is_ready().await).await;
        self
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it with no chance to do anything about it.
    pub async fn kill(self) {
        self.process.signal(Signal::Kill).unwrap();
        self.process.exited().await.unwrap();
    }

    /// Asks it to end; gives how it did and after how long.
    pub async fn terminate(&self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        self.process.signal(Signal::Terminate).unwrap();
        let ended = tokio::time::timeout(LIMIT, self.process.exited()).await;
        (ended.expect("it ends").unwrap(), begun.elapsed())
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.process.signal(Signal::Kill);
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            eprintln!("the service's last words:\n{last}");
        }
    }
}
