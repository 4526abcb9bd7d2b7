//! The commands, one file each.

mod audit;
mod completions;
#[cfg(feature = "dev")]
mod dev;
mod doctor;
mod failure;
mod licence;
mod migrate;
mod modules;
mod of_module;
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

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use primetech_module::Composition;

use crate::program::Program;

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
    /// Show what the program is made of: its modules, and what each of them brings
    Modules(modules::Arguments),
    /// Check everything that serving needs, and advise on each fault
    Doctor(doctor::Arguments),
    /// Write a completion script for a shell
    #[command(
        after_help = "Example:\n  primetech completions bash >~/.local/share/bash-completion/completions/primetech"
    )]
    Completions(completions::Arguments),
}

/// Runs the command of `program` that the process's arguments name.
pub fn run(program: Program) -> ExitCode {
    let composed = match program.describe() {
        Ok(composed) => composed,
        Err(conflicts) => return fail(conflicts),
    };
    let whole = match with_commands_of(&program, &composed) {
        Ok(whole) => whole,
        Err(taken) => return fail(taken),
    };
    let mut matches = whole.clone().get_matches();
    let of_module = |name: &str| composed.commands.iter().find(|(_, command)| command.name() == name);
    if let Some((_, command)) = matches.subcommand_name().and_then(of_module)
        && let Some((_, arguments)) = matches.remove_subcommand()
    {
        return of_module::run(&program, command, arguments);
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let shared = composed.shared();
    let migrations = shared.migrations();
    match cli.command {
        Command::Serve => serve::run(&program),
        #[cfg(feature = "dev")]
        Command::Dev(arguments) => dev::run(&arguments, &program, composed),
        Command::Migrate => migrate::run(migrations),
        Command::Tenant(arguments) => tenant::run(arguments, &composed.description),
        Command::User(arguments) => user::run(arguments),
        Command::Product(arguments) => product::run(arguments),
        Command::Release(arguments) => release::run(arguments),
        Command::Licence(arguments) => licence::run(arguments),
        Command::Webhook(arguments) => webhook::run(arguments, &program),
        Command::Reconcile(arguments) => reconcile::run(arguments, &program),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Modules(arguments) => modules::run(&arguments, &composed.description),
        Command::Doctor(arguments) => doctor::run(&arguments, &program, migrations),
        Command::Completions(arguments) => completions::run(&arguments, whole),
    }
}

/// The product's commands and those of the modules. Fails if a module's has the name of one of the product's.
fn with_commands_of(program: &Program, composed: &Composition) -> Result<clap::Command, String> {
    let mut whole = Cli::command().name(program.name());
    let own: Vec<String> = whole.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for (module, command) in &composed.commands {
        let name = command.name();
        // What clap adds by itself is the product's too.
        if name == "help" || own.iter().any(|own| own == name) {
            return Err(format!("the command {name} of the module {module} is one of the product's"));
        }
        whole = whole.subcommand(of_module::arguments(command));
    }
    Ok(whole)
}

/// Says what went wrong, for a person at a terminal.
fn fail(error: impl Display) -> ExitCode {
    eprintln!("primetech: {error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use primetech_kernel::settings::{Reader, Settings};
    use primetech_module::{CommandError, Module, Surface};

    use super::*;

    #[derive(Clone, Default)]
    struct NoSettings;

    impl Settings for NoSettings {
        fn read(_: &mut Reader) -> Option<Self> {
            Some(Self)
        }
    }

    struct Named(&'static str);

    impl Module for Named {
        const NAME: &'static str = "named";

        fn surface(self: &Arc<Self>, on: &mut Surface) {
            let refused = || CommandError::Refused("nothing is done".to_owned());
            on.command(primetech_module::Command::new(clap::Command::new(self.0), move |_| {
                Box::pin(async move { Err(refused()) })
            }));
        }
    }

    fn with_command_of(program: Program) -> Result<clap::Command, String> {
        let composed = program.describe().map_err(|conflicts| conflicts.to_string())?;
        with_commands_of(&program, &composed)
    }

    #[test]
    fn a_module_s_command_is_the_program_s_unless_the_product_has_one_of_its_name() {
        let of_module = Program::new("shop").with(|_, _, _: NoSettings| Arc::new(Named("points")));
        let names: Vec<String> = with_command_of(of_module)
            .map(|whole| whole.get_subcommands().map(|command| command.get_name().to_owned()).collect())
            .unwrap_or_default();
        assert!(names.contains(&"points".to_owned()) && names.contains(&"tenant".to_owned()), "{names:?}");
        let taken = Program::new("shop").with(|_, _, _: NoSettings| Arc::new(Named("tenant")));
        assert_eq!(
            with_command_of(taken).err().as_deref(),
            Some("the command tenant of the module named is one of the product's")
        );
    }
}
