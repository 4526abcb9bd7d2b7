//! What a run has to say: on the terminal, as JSON, and as one page that needs nothing else.

mod chart;
mod html;
mod machine;

use std::path::Path;

use primetech_actors::clock::{Clock, SystemClock};
use serde::Serialize;

use crate::Failure;
use crate::invariants::Promise;
use crate::load::{KindMeasured, Load, Measured};

pub use machine::Machine;

/// The quantiles that are named on the terminal.
const NAMED: &[(&str, f64)] = &[("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The points of a latency curve: evenly apart in the number of nines.
fn curve_points() -> impl Iterator<Item = f64> {
    (0..=40).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 10.0))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub scenario: String,
    pub at: String,
    pub machine: Machine,
    pub clients: usize,
    pub seconds: f64,
    /// Requests a second that were due, in an open loop.
    pub due_per_second: Option<f64>,
    /// Due, and never sent.
    pub unsent: u64,
    pub answers: u64,
    pub answers_per_second: f64,
    pub goodput_per_second: f64,
    /// Nothing was left to ask for before the time was over.
    pub exhausted: bool,
    pub cores: Vec<(&'static str, f64)>,
    /// Answers in each second.
    pub by_second: Vec<u64>,
    pub kinds: Vec<KindReport>,
    pub promises: Vec<Promise>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindReport {
    pub name: String,
    pub answers: u64,
    pub answers_per_second: f64,
    pub mean_ms: f64,
    pub max_ms: f64,
    pub quantiles_ms: Vec<(&'static str, f64)>,
    /// Of each quantile its latency in milliseconds.
    pub curve: Vec<(f64, f64)>,
    pub codes: Vec<CodeReport>,
}

#[derive(Serialize)]
pub struct CodeReport {
    /// 0: no answer came.
    pub status: u16,
    pub code: String,
    pub count: u64,
}

impl KindReport {
    fn of(kind: &KindMeasured, measured: &Measured) -> Self {
        let codes = kind.codes.iter().flat_map(|(status, codes)| {
            let of_status = |(code, count): &(String, u64)| CodeReport {
                status: *status,
                code: code.clone(),
                count: *count,
            };
            codes.iter().map(of_status)
        });
        Self {
            name: kind.name.clone(),
            answers: kind.latencies.len(),
            answers_per_second: kind.latencies.len() as f64 / measured.elapsed.as_secs_f64(),
            mean_ms: kind.latencies.mean() / 1000.0,
            max_ms: kind.latencies.max() as f64 / 1000.0,
            quantiles_ms: NAMED.iter().map(|(name, quantile)| (*name, kind.quantile_ms(*quantile))).collect(),
            curve: curve_points().map(|quantile| (quantile, kind.quantile_ms(quantile))).collect(),
            codes: codes.collect(),
        }
    }
}

impl Report {
    pub fn of(
        scenario: &str,
        machine: Machine,
        load: &Load,
        measured: &Measured,
        promises: Vec<Promise>,
    ) -> Self {
        let mut kinds: Vec<KindReport> =
            measured.kinds.iter().map(|kind| KindReport::of(kind, measured)).collect();
        if kinds.len() > 1 {
            kinds.extend(measured.total().map(|total| KindReport::of(&total, measured)));
        }
        Self {
            scenario: scenario.to_owned(),
            at: SystemClock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            machine,
            clients: load.clients,
            seconds: measured.elapsed.as_secs_f64(),
            due_per_second: measured.rate,
            unsent: measured.unsent,
            answers: measured.answers(),
            answers_per_second: measured.per_second(),
            goodput_per_second: measured.goodput(),
            exhausted: measured.exhausted,
            cores: measured.cpu.cores(measured.elapsed),
            by_second: measured.seconds.clone(),
            kinds,
            promises,
        }
    }

    pub fn all_hold(&self) -> bool {
        self.promises.iter().all(|promise| promise.holds)
    }

    pub fn print(&self) {
        println!("\n{}, {} clients, {:.1} s", self.scenario, self.clients, self.seconds);
        if let Some(due) = self.due_per_second {
            println!(
                "open loop, {due:.0} requests/s due, {} never sent; latency from when each was due",
                self.unsent
            );
        }
        if self.exhausted {
            println!("ended early: nothing was left to ask for");
        }
        println!(
            "\n{:<18}{:>12}{:>10}{:>10}{:>10}{:>10}",
            "", "requests/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms"
        );
        for kind in &self.kinds {
            let quantiles: String = kind.quantiles_ms.iter().map(|(_, ms)| format!("{ms:>10.2}")).collect();
            println!("{:<18}{:>12.0}{quantiles}", kind.name, kind.answers_per_second);
        }
        println!();
        for kind in self.kinds.iter().filter(|kind| self.kinds.len() == 1 || kind.name != "all") {
            for code in &kind.codes {
                let status = if code.status == 0 { "---".to_owned() } else { code.status.to_string() };
                println!("{:<18}{status} {:<32}{:>10}", kind.name, code.code, code.count);
            }
        }
        if !self.cores.is_empty() {
            let cores: Vec<String> =
                self.cores.iter().map(|(part, cores)| format!("{part} {cores:.2}")).collect();
            println!("\ncores used: {}", cores.join(", "));
        }
        println!();
        for promise in &self.promises {
            let verdict = if promise.holds { "holds " } else { "BROKEN" };
            println!("{verdict}  {} ({})", promise.what, promise.found);
        }
    }

    /// Writes `<scenario>.json` and `<scenario>.html`.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(folder)?;
        let file = |extension: &str| folder.join(format!("{}.{extension}", self.scenario));
        std::fs::write(file("json"), serde_json::to_vec_pretty(self)?)?;
        std::fs::write(file("html"), html::page(self))?;
        println!("\nreport: {}", file("html").display());
        Ok(())
    }
}
