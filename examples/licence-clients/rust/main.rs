//! Tries the licence client of `client.rs` out:
//!
//! ```sh
//! cargo run --example licence_client -- --server URL --tenant SLUG --product SKU --state FOLDER [options] \
//!     activate KEY | check | deactivate
//! ```
//!
//! KEY may be - to read it from standard input, where no list of processes shows it. What came of it is one JSON document
//! on standard output, and the exit code: 0 where the program may run (or the licence is free), 1 where the user must
//! act, 3 where the shop has to be asked later.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

mod certificate;
mod client;
mod machine;
mod messages;
mod shop;
mod stored;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use certificate::JwkSet;
use client::{LicenceClient, Options, Outcome};

#[derive(Parser)]
#[command(about = "Tries the licence client out")]
struct Arguments {
    #[arg(long)]
    server: String,
    #[arg(long)]
    tenant: String,
    #[arg(long)]
    product: String,
    #[arg(long)]
    state: PathBuf,
    /// In place of the machine's own
    #[arg(long)]
    fingerprint: Option<String>,
    #[arg(long)]
    device_name: Option<String>,
    /// A JWK set that the program is built with
    #[arg(long)]
    trusted_keys: Option<PathBuf>,
    /// To see what time does. A program that is sold has no such option
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    clock_offset: i64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Activate { key: String },
    Check,
    Deactivate,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("licence_client: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let trusted_keys: Option<JwkSet> = match &arguments.trusted_keys {
        Some(file) => Some(serde_json::from_slice(&std::fs::read(file)?)?),
        None => None,
    };
    let offset = arguments.clock_offset;
    let mut client = LicenceClient::new(Options {
        server: arguments.server,
        tenant: arguments.tenant,
        product_sku: arguments.product,
        state_folder: arguments.state,
        fingerprint: arguments.fingerprint,
        trusted_keys,
        clock: Box::new(move || client::system_clock() + offset),
    })?;
    let result = match arguments.command {
        Command::Activate { key } if key == "-" => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            client.activate(&line, arguments.device_name.as_deref())
        }
        Command::Activate { key } => client.activate(&key, arguments.device_name.as_deref()),
        Command::Check => client.check(),
        Command::Deactivate => client.deactivate(),
    };
    println!("{}", serde_json::to_string(&result)?);
    Ok(match result.outcome {
        Outcome::Refused => ExitCode::from(1),
        Outcome::Unreachable => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    })
}
