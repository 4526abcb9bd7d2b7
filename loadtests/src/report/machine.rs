use std::process::Command;

use serde::Serialize;
use sqlx::PgPool;

use crate::Failure;

/// Where figures come from: without it they mean nothing.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: Option<u64>,
    pub system: &'static str,
    pub postgres: String,
    /// The commit of the working directory; with a `+` where it is changed.
    pub commit: String,
}

impl Machine {
    pub async fn look(pool: &PgPool) -> Result<Self, Failure> {
        let postgres: String = sqlx::query_scalar("SHOW server_version").fetch_one(pool).await?;
        Ok(Self {
            processor: line_of("/proc/cpuinfo", "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            memory_gib: line_of("/proc/meminfo", "MemTotal").and_then(|text| {
                let kibibytes: u64 = text.trim_end_matches("kB").trim().parse().ok()?;
                Some(kibibytes.div_ceil(1024 * 1024))
            }),
            system: std::env::consts::OS,
            postgres: postgres.split_whitespace().next().unwrap_or_default().to_owned(),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
        })
    }

    pub fn line(&self) -> String {
        let memory = self.memory_gib.map(|gib| format!(", {gib} GiB")).unwrap_or_default();
        format!(
            "{}, {} cores{memory}, {}, PostgreSQL {}",
            self.processor, self.cores, self.system, self.postgres
        )
    }
}

fn line_of(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let answer = Command::new("git").args(arguments).output().ok().filter(|it| it.status.success())?;
        Some(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { head } else { format!("{head}+") })
}
