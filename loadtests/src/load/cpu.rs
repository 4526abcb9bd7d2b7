//! Who used the processors: the client must not be what limits the figures, and its share is told beside them.
//! Read from Linux' accounting; elsewhere nothing is told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::installation::Installation;

/// Time on a processor, by part.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CpuTimes {
    parts: Vec<(&'static str, Duration)>,
}

impl CpuTimes {
    pub fn now(installation: &Installation) -> Self {
        let own = Path::new("/proc/self/task");
        let mut parts = Vec::new();
        if own.is_dir() {
            let threads = threads(own);
            // The load runs on the thread that the process began with.
            let client = threads.iter().find(|(_, id, _)| *id == std::process::id());
            parts.push(("client", client.map_or(Duration::ZERO, |(_, _, time)| *time)));
            let named = |name: &str| -> Duration {
                threads.iter().filter(|(comm, _, _)| comm == name).map(|(_, _, time)| *time).sum()
            };
            parts.push(("pacer", named("pacer")));
            parts.push(("Stripe stand-in", named("stripe-stand-in")));
            parts.push(("service", installation.service_pids().into_iter().map(of_process).sum()));
            let database = installation.postgres_pid().map_or(Duration::ZERO, of_family);
            parts.push(("PostgreSQL", database));
        }
        Self { parts }
    }

    pub fn since(&self, before: &Self) -> Self {
        let earlier =
            |name| before.parts.iter().find(|part| part.0 == name).map_or(Duration::ZERO, |it| it.1);
        let parts = self.parts.iter().map(|(name, time)| (*name, time.saturating_sub(earlier(*name))));
        Self { parts: parts.collect() }
    }

    /// Cores used by each part, where any were.
    pub fn cores(&self, elapsed: Duration) -> Vec<(&'static str, f64)> {
        let share = |time: Duration| time.as_secs_f64() / elapsed.as_secs_f64();
        self.parts.iter().map(|(name, time)| (*name, share(*time))).filter(|it| it.1 > 0.0).collect()
    }
}

/// Name, number and time of each thread.
fn threads(folder: &Path) -> Vec<(String, u32, Duration)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            // A thread that has ended meanwhile has no time left to tell.
            Some((name.trim().to_owned(), id, on_processor(&entry.path())?))
        })
        .collect()
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn on_processor(task: &Path) -> Option<Duration> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

fn of_process(pid: u32) -> Duration {
    threads(Path::new(&format!("/proc/{pid}/task"))).iter().map(|(_, _, time)| *time).sum()
}

/// A process and its children.
fn of_family(pid: u32) -> Duration {
    let Ok(entries) = fs::read_dir("/proc") else { return Duration::ZERO };
    let children = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|child| parent_of(*child) == Some(pid));
    children.map(of_process).sum::<Duration>() + of_process(pid)
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
