//! The commands that modules bring.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches};
use primetech_module::{Command, CommandContext, CommandError};

use super::failure::Failure;
use super::output::Reply;
use super::workplace::{Workplace, execute};
use crate::program::Program;

const JSON: &str = "json";

/// The command as the program takes it: with `--json`, as the product's own have it.
pub(super) fn arguments(command: &Command) -> clap::Command {
    command.arguments.clone().arg(
        Arg::new(JSON)
            .long(JSON)
            .action(ArgAction::SetTrue)
            .global(true)
            .help("Write one JSON document, for scripts"),
    )
}

pub(super) fn run(program: &Program, command: &Command, arguments: ArgMatches) -> ExitCode {
    execute(arguments.get_flag(JSON), async {
        let workplace = Workplace::open_with_modules(program).await?;
        let database = workplace.database.clone();
        let context = CommandContext { database, clock: workplace.clock.clone(), arguments };
        let replied = (command.run)(context).await?;
        Ok(Reply::new(&replied.json, replied.text)?)
    })
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(reason) => Self::Refused(reason),
            CommandError::Fault(fault) => fault.into(),
        }
    }
}
