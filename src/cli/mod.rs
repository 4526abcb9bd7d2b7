//! The commands, one file each.

mod audit;
mod completions;
#[cfg(feature = "dev")]
mod dev;
mod doctor;
mod failure;
mod licence;
mod migrate;
mod output;
mod product;
mod reconcile;
mod release;
mod serve;
mod tenant;
mod user;
mod webhook;
mod workplace;

use std::fmt::Display;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "primetech",
    version,
    about = "Multi-tenant commerce, licensing and bookings back end",
    after_help = failure::EXIT_CODES
)]
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
    /// The shops of this installation and their hosts
    Tenant(tenant::Arguments),
    /// Accounts
    User(user::Arguments),
    /// What a tenant sells
    Product(product::Arguments),
    /// The files that customers download
    Release(release::Arguments),
    /// Licences by the operator's hand
    Licence(licence::Arguments),
    /// The provider's stored events
    Webhook(webhook::Arguments),
    /// Ask the provider about pending payments, refunds and disputes now, instead of waiting for its events
    Reconcile(reconcile::Arguments),
    /// Proofs from the data
    Audit(audit::Arguments),
    /// Look at everything that serving needs, and tell what to do about each fault
    Doctor(doctor::Arguments),
    /// Write a completion script for a shell
    #[command(
        after_help = "Example:\n  primetech completions bash >~/.local/share/bash-completion/completions/primetech"
    )]
    Completions(completions::Arguments),
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve => serve::run(),
        #[cfg(feature = "dev")]
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Migrate => migrate::run(),
        Command::Tenant(arguments) => tenant::run(arguments),
        Command::User(arguments) => user::run(arguments),
        Command::Product(arguments) => product::run(arguments),
        Command::Release(arguments) => release::run(arguments),
        Command::Licence(arguments) => licence::run(arguments),
        Command::Webhook(arguments) => webhook::run(arguments),
        Command::Reconcile(arguments) => reconcile::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Cli::command()),
    }
}

/// Says what went wrong, for a person at a terminal.
fn fail(error: impl Display) -> ExitCode {
    eprintln!("primetech: {error}");
    ExitCode::FAILURE
}
