//! The commands of a module, for operators.

use std::sync::Arc;

use clap::ArgMatches;
use futures_util::future::BoxFuture;
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use serde_json::Value;

/// What a command works with.
pub struct CommandContext {
    /// Works under the application's role, in the operator's name. The modules hear what is told in its transactions.
    pub database: Database,
    pub clock: SharedClock,
    pub arguments: ArgMatches,
}

/// What a command answers: a person reads the text, whose lines end with a line feed; a script the JSON document.
#[derive(Debug, Clone)]
pub struct CommandReply {
    pub text: String,
    pub json: Value,
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Told to the operator as it is.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A command's work.
pub type RunCommand =
    Arc<dyn Fn(CommandContext) -> BoxFuture<'static, Result<CommandReply, CommandError>> + Send + Sync>;

/// A command: its arguments, and what it does.
#[derive(Clone)]
pub struct Command {
    /// The program adds `--json`, which it heeds itself.
    pub arguments: clap::Command,
    pub run: RunCommand,
}

impl Command {
    pub fn new(
        arguments: clap::Command,
        run: impl Fn(CommandContext) -> BoxFuture<'static, Result<CommandReply, CommandError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { arguments, run: Arc::new(run) }
    }

    /// As it is typed.
    pub fn name(&self) -> &str {
        self.arguments.get_name()
    }
}
