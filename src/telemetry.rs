//! Logs: JSON lines in production, for machines; coloured text elsewhere, for people. Called once, by the commands
//! that run for long.

use std::io::IsTerminal;
use std::panic;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::config::{Environment, LogConfig};

/// What is logged where RUST_LOG does not say.
const DEFAULT_FILTER: &str = "info,sqlx=warn,actix_server=warn";

/// Starts logging to standard error. A process that logs already goes on as it did.
pub fn start(environment: Environment, log: &LogConfig) {
    let filter = log.filter.as_deref().unwrap_or(DEFAULT_FILTER);
    // The configuration has checked it.
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(keeps_to_itself));
    let started = if environment == Environment::Production {
        let lines = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        registry.with(lines.with_writer(std::io::stderr)).try_init()
    } else {
        let text = fmt::layer().with_ansi(std::io::stderr().is_terminal());
        registry.with(text.with_writer(std::io::stderr)).try_init()
    };
    if started.is_ok() {
        log_panics();
    }
}

/// The store's client, told to say all, says whose key it signs with and what it signs. It is not let, whatever RUST_LOG
/// says.
fn keeps_to_itself(event: &Metadata<'_>) -> bool {
    !event.target().starts_with("aws_") || *event.level() <= Level::INFO
}

/// A panic's place goes to the log, within the span of the request that it ended.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
}
