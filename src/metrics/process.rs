//! The process as the operating system reports it: memory, processor time, open files. On Linux only.
//!
//! Names and meanings are those of Prometheus' own client libraries.

use std::fmt::Write;

/// What `/proc` counts processor time in, a second: the same on every Linux.
const TICKS: f64 = 100.0;

/// The names that [`render`] shows.
pub const NAMES: [&str; 6] = [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_threads",
    "process_start_time_seconds",
];

/// The figures as Prometheus reads them; what cannot be found out is left out.
pub fn render() -> String {
    let mut text = String::new();
    if cfg!(target_os = "linux") {
        let mut show = |name: &str, kind: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                // Writing to a string does not fail.
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
            }
        };
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let system = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let open = std::fs::read_dir("/proc/self/fd").map(|files| files.count() as f64).ok();
        let [cpu, memory, open_files, most_files, threads, start] = NAMES;
        show(cpu, "counter", "Processor time used, in user and system mode", cpu_seconds(&stat));
        show(memory, "gauge", "Memory in use", kilobytes(&status, "VmRSS:").map(|size| size * 1_024.0));
        show(open_files, "gauge", "Open files and sockets", open);
        show(most_files, "gauge", "Files and sockets that may be open", max_open_files(&limits));
        show(threads, "gauge", "Threads", field(&stat, 20));
        show(start, "gauge", "When the process began, in Unix time", started_at(&stat, &system));
    }
    text
}

/// A field of `/proc/self/stat`, counted from one as in its manual page. The second is the program's name, in
/// parentheses, and may hold anything.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

fn started_at(stat: &str, system: &str) -> Option<f64> {
    let booted: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + field(stat, 22)? / TICKS)
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn max_open_files(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    // None where it is `unlimited`.
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000 200 18446744";

    #[test]
    fn a_program_s_name_does_not_shift_the_fields() {
        assert_eq!(cpu_seconds(STAT), Some(3.0));
        assert_eq!(field(STAT, 20), Some(9.0));
        assert_eq!(started_at(STAT, "cpu 1 2\nbtime 1000\n"), Some(1123.45));
        assert_eq!(cpu_seconds("7 (cut"), None);
    }

    #[test]
    fn sizes_and_limits_are_read() {
        assert_eq!(kilobytes("Name:\tx\nVmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(
            max_open_files("Max open files            1024                 4096                 files"),
            Some(1024.0)
        );
        assert_eq!(
            max_open_files("Max open files            unlimited            unlimited            files"),
            None
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn all_are_shown_here() {
        let shown = render();
        for name in NAMES {
            let value = shown.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            let value = value.and_then(|value| value.parse::<f64>().ok());
            assert!(value.is_some_and(|value| value >= 0.0), "{name}: {shown}");
        }
    }
}
