//! Load over HTTP against a running `primetech dev`, and the promises read back from the database afterwards.
#![allow(clippy::print_stdout, reason = "the report is what the program is for")]

mod installation;
mod load;
mod scenarios;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use installation::Installation;

/// Anything that ends a run: a scenario that cannot be set up, or a promise that did not hold.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Load scenarios for Prime Tech Platform")]
struct Arguments {
    scenario: Scenario,
    /// The data directory of the running `primetech dev`
    #[arg(long, default_value = ".data")]
    data_dir: PathBuf,
    /// Requests in flight at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    clients: u32,
    /// Seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    duration: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    ActivateOne,
    CheckoutOneTenant,
}

/// How much load.
#[derive(Clone, Copy)]
pub struct Load {
    pub clients: u32,
    pub duration: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("loadtests: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let installation = Installation::find(&arguments.data_dir).await?;
    let load = Load { clients: arguments.clients, duration: Duration::from_secs(arguments.duration) };
    match arguments.scenario {
        Scenario::ActivateOne => scenarios::activate_one::run(&installation, load).await,
        Scenario::CheckoutOneTenant => scenarios::checkout_one_tenant::run(&installation, load).await,
    }
}
