//! Load over HTTP, and the promises read back from the database afterwards; and the comparison with what the same
//! work costs with a row lock for each request.
//!
//! Owns what it brings up: a private installation that ends with the run. Sends to this machine only. Invariant: a
//! figure is printed together with whether the promises held, and a broken one ends the run with an error.
#![allow(clippy::print_stdout, reason = "the report is what the program is for")]

mod commands;
mod compare;
pub mod http;
pub mod installation;
pub mod invariants;
pub mod load;
mod report;
pub mod scenarios;
pub mod seed;
pub mod stock;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use scenarios::Scenario;

/// Anything that ends a run: a scenario that cannot be set up, or a promise that did not hold.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Load scenarios for Prime Tech Platform", after_help = "See loadtests/README.md.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Run(Runs),
    /// Measure the service against a row-lock transaction for each request, and against its marks
    Compare(compare::Arguments),
    /// Fill the database of a running `primetech dev` with tenants and licences
    Seed(seed::Arguments),
}

/// One command for each scenario.
#[derive(Subcommand)]
enum Runs {
    /// Many devices ask for one licence; one gets it
    ActivateOne(commands::RunArguments),
    /// Each device activates a licence of its own
    ActivateMany(commands::RunArguments),
    /// Licences are asked about, active and not, by the right device and by others
    Validate(commands::RunArguments),
    /// Devices take licences and leave them again
    MoveMany(commands::RunArguments),
    /// Customers start checkouts at one shop
    CheckoutOneTenant(commands::RunArguments),
    /// Customers start checkouts at a hundred shops
    CheckoutManyTenants(commands::RunArguments),
    /// Each payment's event comes one to five times, shuffled
    WebhookStorm(commands::RunArguments),
    /// Logins, of which some are wrong
    LoginStorm(commands::RunArguments),
    /// Several admins move each booking at the same time
    BookingRace(commands::RunArguments),
    /// All of it at once
    Mixed(commands::RunArguments),
}

impl Runs {
    fn scenario(self) -> (Scenario, commands::RunArguments) {
        match self {
            Self::ActivateOne(arguments) => (Scenario::ActivateOne, arguments),
            Self::ActivateMany(arguments) => (Scenario::ActivateMany, arguments),
            Self::Validate(arguments) => (Scenario::Validate, arguments),
            Self::MoveMany(arguments) => (Scenario::MoveMany, arguments),
            Self::CheckoutOneTenant(arguments) => (Scenario::CheckoutOneTenant, arguments),
            Self::CheckoutManyTenants(arguments) => (Scenario::CheckoutManyTenants, arguments),
            Self::WebhookStorm(arguments) => (Scenario::WebhookStorm, arguments),
            Self::LoginStorm(arguments) => (Scenario::LoginStorm, arguments),
            Self::BookingRace(arguments) => (Scenario::BookingRace, arguments),
            Self::Mixed(arguments) => (Scenario::Mixed, arguments),
        }
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    allow_many_connections();
    // One thread for the clients, with an actix system around it for the actors that are measured within.
    let done = actix_web::rt::System::new().block_on(async {
        match arguments.command {
            Command::Run(runs) => {
                let (scenario, arguments) = runs.scenario();
                commands::run(scenario, arguments).await
            }
            Command::Compare(arguments) => compare::run(arguments).await,
            Command::Seed(arguments) => seed::run(arguments).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("loadtests: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A thousand clients need more files than a shell allows by default; what we start inherits it.
fn allow_many_connections() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            eprintln!("loadtests: the limit of open files stays as it is: {error}");
        }
    }
}
