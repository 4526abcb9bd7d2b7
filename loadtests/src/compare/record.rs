use std::fs::OpenOptions;
use std::io::Write;

use primetech_actors::clock::{Clock, SystemClock};

use super::table::{HEAD, Line};
use super::{CLIENTS, Rounds, floor};
use crate::Failure;
use crate::report::Machine;

const BASELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baselines.md");

/// Appends the figures, with where they come from.
pub fn append(machine: &Machine, rounds: Rounds, lines: &[Line]) -> Result<(), Failure> {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!(
        "\n## {}, commit {}\n\n{}. {} rounds of {} s, interleaved; {CLIENTS} clients, {} of pgbench.\n\n",
        SystemClock.now().format("%Y-%m-%d"),
        machine.commit,
        machine.line(),
        rounds.count,
        rounds.length.as_secs(),
        floor::CLIENTS,
    );
    text.push_str(&row(&HEAD.map(str::to_owned)));
    text.push_str(&row(&HEAD.map(|_| "---".to_owned())));
    for line in lines {
        text.push_str(&row(&line.cells()));
    }
    OpenOptions::new().create(true).append(true).open(BASELINES)?.write_all(text.as_bytes())?;
    println!("\nappended to {BASELINES}");
    Ok(())
}
