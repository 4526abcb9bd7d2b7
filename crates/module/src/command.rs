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
    /// Works under the application's role, in the operator's name.
    pub database: Database,
    pub clock: SharedClock,
    pub arguments: ArgMatches,
}

/// What a command tells: a person reads the text, a script the JSON document.
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
    pub arguments: clap::Command,
    pub run: RunCommand,
}
