//! `primetech modules`: what the program is made of.

use std::process::ExitCode;

use clap::Args;
use primetech_module::{Description, ModuleDescription};

use super::failure::Failure;
use super::output::{Reply, Table};
use super::workplace::execute;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  primetech modules\n  primetech modules --json | jq -r '.modules[].endpoints[]'\n\n\
                        Needs no database and no variable."
)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, description: &Description) -> ExitCode {
    execute(arguments.json, async { reply(description) })
}

fn reply(description: &Description) -> Result<Reply, Failure> {
    let headings =
        ["MODULE", ">ENDPOINTS", "TABLES", "TELLS", "HEARS WITHIN", "HEARS AFTER", "WORKERS", "COMMANDS"];
    let mut table = Table::new(&headings);
    for module in &description.modules {
        let ModuleDescription { name, endpoints, tables, tells, hears_within, workers, commands, .. } =
            module;
        let hears_after: Vec<&str> = module.hears_after.iter().map(|(event, _)| *event).collect();
        table.row([
            (*name).to_owned(),
            endpoints.len().to_string(),
            tables.join(", "),
            tells.join(", "),
            hears_within.join(", "),
            hears_after.join(", "),
            workers.join(", "),
            commands.join(", "),
        ]);
    }
    Ok(Reply::new(description, table.text("no modules"))?)
}
