//! The commands, one file each.

#[cfg(feature = "dev")]
mod dev;
mod migrate;
mod serve;

use std::fmt::Display;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "primetech", version, about = "Multi-tenant commerce, licensing and bookings back end")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API. Configured by the environment, and by a .env file where there is one
    Serve,
    /// Bring up everything on this machine: PostgreSQL, store, a Stripe stand-in, mailbox, two shops, and the API
    #[cfg(feature = "dev")]
    Dev(dev::Arguments),
    /// Bring the database of DATABASE_URL to this program's schema
    Migrate,
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve => serve::run(),
        #[cfg(feature = "dev")]
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Migrate => migrate::run(),
    }
}

/// Says what went wrong, for a person at a terminal.
fn fail(error: impl Display) -> ExitCode {
    eprintln!("primetech: {error}");
    ExitCode::FAILURE
}
