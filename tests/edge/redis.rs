//! A real `redis-server` of a test's own: on a free port, in a folder of its own, without anything kept on disk.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server. Ends when it is dropped.
pub struct Redis {
    child: Child,
    pub port: u16,
    _folder: TempDir,
}

/// Whether there is a `redis-server`. Where there is none, says so; a build server must have it.
pub fn is_installed() -> bool {
    let answered = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    let is_there = answered.is_ok_and(|status| status.success());
    if !is_there {
        assert!(
            std::env::var_os("CI").is_none(),
            "redis-server is missing: scripts/lib/prerequisites.sh test"
        );
        eprintln!("NOT TESTED: redis-server is missing (scripts/lib/prerequisites.sh test installs it)");
    }
    is_there
}

pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Redis {
    pub fn start() -> Self {
        for _ in 0..5 {
            // Somebody may take the port meanwhile.
            if let Some(redis) = Self::try_start(free_port()) {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    pub fn start_on(port: u16) -> Self {
        Self::try_start(port).expect("redis-server starts again on the port it had")
    }

    fn try_start(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut redis = Self { child, port, _folder: folder };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if redis.child.try_wait().unwrap().is_some() {
                return None;
            }
            if redis.ask("PING").is_some_and(|answer| answer.starts_with("+PONG")) {
                return Some(redis);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// One command on one line, answered as the protocol has it. None where nothing answers.
    pub fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Every key that there is.
    pub fn keys(&self) -> Vec<String> {
        let answer = self.ask("KEYS *").unwrap();
        answer.lines().filter(|line| line.starts_with("primetech")).map(str::to_owned).collect()
    }

    /// Outright, as a crash does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops (`STOP`) and goes on (`CONT`): connections stay, and nothing answers meanwhile.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
