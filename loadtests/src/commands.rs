//! Running one scenario.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::Failure;
use crate::installation::{Installation, OwnWishes, default_work_directory, server_program};
use crate::invariants::{Promise, books, sealed};
use crate::load::{self, Load, Measured, Workload};
use crate::report::{Machine, Report};
use crate::scenarios::Scenario;

/// Open loops need clients to spare: a request that is due must not wait for one.
const OPEN_LOOP_CLIENTS: u32 = 256;

#[derive(Args)]
pub struct RunArguments {
    /// The running installation to put under load, an http:// address of this machine; without it one of its own is
    /// brought up
    #[arg(long)]
    base_url: Option<String>,
    /// The data directory of the running `primetech dev`
    #[arg(long, default_value = ".data", requires = "base_url")]
    data_dir: PathBuf,
    /// Connections, and requests under way at the same time [default: 64, or 256 with --rate]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    clients: Option<u32>,
    /// Seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    duration: u64,
    /// Seconds before that, which are not counted
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=60))]
    warm_up: u64,
    /// Requests a second that are due, whatever became of those before: for latency
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Processes of `primetech serve` on the one database
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    processes: u8,
    #[command(flatten)]
    own: OwnArguments,
    /// Write the report as JSON and as a page into this folder
    #[arg(long)]
    report: Option<PathBuf>,
}

/// How an installation of our own is brought up.
#[derive(Args)]
pub struct OwnArguments {
    /// The `primetech` to run, in place of this workspace's
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where its files lie, on a real disk
    #[arg(long, default_value_os_t = default_work_directory())]
    work_dir: PathBuf,
}

impl OwnArguments {
    pub fn wishes(&self, processes: usize) -> Result<OwnWishes, Failure> {
        let program = server_program(self.server.as_deref())?;
        Ok(OwnWishes::durable(self.work_dir.clone(), program, processes))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if (0.1..=200_000.0).contains(&rate) { Ok(rate) } else { Err("must be 0.1 to 200000".to_owned()) }
}

impl RunArguments {
    fn load(&self) -> Load {
        let clients = self.clients.unwrap_or(if self.rate.is_some() { OPEN_LOOP_CLIENTS } else { 64 });
        Load {
            clients: clients as usize,
            warm_up: Duration::from_secs(self.warm_up),
            duration: Duration::from_secs(self.duration),
            rate: self.rate,
        }
    }
}

pub async fn run(scenario: Scenario, arguments: RunArguments) -> Result<(), Failure> {
    let load = arguments.load();
    let installation = match &arguments.base_url {
        Some(base_url) => Installation::found(&arguments.data_dir, Some(base_url)).await?,
        None => Installation::own(arguments.own.wishes(arguments.processes.into())?).await?,
    };
    let reported = report(scenario, &installation, load).await;
    installation.close().await?;
    let report = reported?;
    report.print();
    if let Some(folder) = &arguments.report {
        report.write(folder)?;
    }
    if report.all_hold() { Ok(()) } else { Err("a promise is broken".into()) }
}

async fn report(scenario: Scenario, installation: &Installation, load: Load) -> Result<Report, Failure> {
    let machine = Machine::look(&installation.pool).await?;
    let workload = scenario.prepare(installation, &load).await?;
    let measured = load::run(installation, std::rc::Rc::clone(&workload), load).await?;
    let promises = promises(installation, &*workload, &measured).await?;
    Ok(Report::of(scenario.name(), machine, &load, &measured, promises))
}

/// All that must hold after a run.
pub async fn promises(
    installation: &Installation,
    workload: &dyn Workload,
    measured: &Measured,
) -> Result<Vec<Promise>, Failure> {
    let faults = i64::try_from(measured.faults())?;
    let mut promises = vec![Promise::without("every request was answered, and none with a fault", faults)];
    promises.extend(workload.promises(installation).await?);
    let mut connection = installation.pool.acquire().await?;
    promises.extend(books(&mut connection).await?);
    promises.push(sealed(&mut connection).await?);
    Ok(promises)
}
