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
    /// Serve the API. Reads its settings from the environment and from a .env file if there is one
    Serve,
    /// Start everything on this machine: PostgreSQL, object store, Stripe stand-in, mailbox, two shops, and the API
    #[cfg(feature = "dev")]
    Dev(dev::Arguments),
    /// Apply this program's migrations to the database of DATABASE_URL
    Migrate,
    /// Manage tenants and their hosts
    Tenant(tenant::Arguments),
    /// Manage accounts
    User(user::Arguments),
    /// Manage the products of a tenant
    Product(product::Arguments),
    /// Publish and list the files that customers download
    Release(release::Arguments),
    /// Issue, show and revoke licences
    Licence(licence::Arguments),
    /// List the stored events of the payment provider and run failed ones again
    Webhook(webhook::Arguments),
    /// Ask the payment provider about pending payments, refunds and disputes now
    Reconcile(reconcile::Arguments),
    /// Check invoice and receipt numbers, and the audit log
    Audit(audit::Arguments),
    /// Check everything that serving needs, and advise on each fault
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
