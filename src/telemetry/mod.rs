//! Logs and traces. Logs are JSON lines in production and coloured text elsewhere. If a collector is configured,
//! traces go to it ([`export`]); otherwise they cost nothing.
//!
//! Long-running commands call this once. Invariant: nothing here can block or fail a request.

mod collector;
mod export;
mod statements;

use std::io::IsTerminal;
use std::panic;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Environment, LogConfig};
use export::Traces;

/// What is logged where RUST_LOG does not say.
const DEFAULT_FILTER: &str = "info,sqlx=warn,actix_server=warn";

/// What was started. To be stopped at the end, so that the last spans leave.
#[must_use]
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<Traces>,
}

impl Telemetry {
    /// Sends what is collected, and waits for that: a few seconds at most. Not to be called on a thread that serves.
    pub fn stop(self) {
        if let Some(traces) = self.traces {
            traces.stop();
        }
    }
}

/// Starts logging to standard error, and exporting traces where there is a collector. A process that logs already goes
/// on as it did.
pub fn start(environment: Environment, log: &LogConfig) -> Telemetry {
    let traces = log.otlp_endpoint.as_ref().and_then(|endpoint| match Traces::to(endpoint) {
        Ok(traces) => Some(traces),
        Err(error) => {
            // There is no log yet.
            let mut stderr = std::io::stderr();
            let _nowhere_to_tell = std::io::Write::write_fmt(
                &mut stderr,
                format_args!("OTEL_EXPORTER_OTLP_ENDPOINT: traces are not exported: {error}\n"),
            );
            None
        }
    });
    let started = match &traces {
        // No layer of traces at all, so that their spans are switched off where they are made.
        None => tracing_subscriber::registry().with(filter(log)).with(lines(environment)).try_init(),
        Some(traces) => tracing_subscriber::registry()
            .with(lines(environment).with_filter(filter(log)))
            .with(traces.layer())
            .with(traces.statements())
            .try_init(),
    };
    if started.is_ok() {
        log_panics();
    }
    Telemetry { traces }
}

fn filter(log: &LogConfig) -> EnvFilter {
    let filter = log.filter.as_deref().unwrap_or(DEFAULT_FILTER);
    // The configuration has checked it.
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER))
}

/// One line an event, with the spans that it happened in: the request's, with its id, tenant and route, and the batch's,
/// with its actor and size.
fn lines<S>(environment: Environment) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    if environment == Environment::Production {
        let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(true);
        lines.with_writer(std::io::stderr).with_filter(filter_fn(keeps_to_itself)).boxed()
    } else {
        let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal());
        lines.with_writer(std::io::stderr).with_filter(filter_fn(keeps_to_itself)).boxed()
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
