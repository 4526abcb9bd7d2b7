//! Spans of SQL statements, made from sqlx's report of each. Values are bound, not part of a statement, so its text
//! contains nothing private.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Tracer};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The target of sqlx's events.
pub(super) const STATEMENTS: &str = "sqlx::query";

/// Longer ones are cut.
const LONGEST_TEXT: usize = 2_000;

pub(super) struct StatementSpans {
    tracer: SdkTracer,
    dispatch: OnceLock<WeakDispatch>,
}

impl StatementSpans {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        Self { tracer, dispatch: OnceLock::new() }
    }
}

impl<S> Layer<S> for StatementSpans
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _set_before = self.dispatch.set(subscriber.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != STATEMENTS {
            return;
        }
        // Outside of any trace: the background's own.
        let Some(span) = context.event_span(event) else { return };
        let Some(dispatch) = self.dispatch.get().and_then(WeakDispatch::upgrade) else { return };
        let Some(parent) = tracing_opentelemetry::get_otel_context(&span.id(), &dispatch) else { return };
        let mut told = Told::default();
        event.record(&mut told);
        #[allow(
            clippy::disallowed_methods,
            reason = "spans bear the machine's time, whatever the product's is"
        )]
        let end = SystemTime::now();
        let text = told.text();
        let mut attributes = vec![
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.query.text", text.to_owned()),
        ];
        if let Some(rows) = told.rows_returned {
            attributes.push(KeyValue::new("db.response.returned_rows", rows));
        }
        if let Some(rows) = told.rows_affected {
            attributes.push(KeyValue::new("db.response.affected_rows", rows));
        }
        let builder = SpanBuilder::from_name(summary(text))
            .with_kind(SpanKind::Client)
            .with_start_time(end.checked_sub(told.elapsed).unwrap_or(end))
            .with_attributes(attributes);
        self.tracer.build_with_context(builder, &parent).end_with_timestamp(end);
    }
}

/// What sqlx tells of a statement.
#[derive(Default)]
struct Told {
    /// The first words; the whole, where the statement has no more.
    summary: String,
    statement: String,
    rows_returned: Option<i64>,
    rows_affected: Option<i64>,
    elapsed: Duration,
}

impl Told {
    fn text(&self) -> &str {
        let text = if self.statement.is_empty() { &self.summary } else { &self.statement };
        let text = text.trim();
        text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or(text)
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "rows_returned" => self.rows_returned = i64::try_from(value).ok(),
            "rows_affected" => self.rows_affected = i64::try_from(value).ok(),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // sqlx hands its texts over as strings; another version may not.
        match field.name() {
            "summary" => self.summary = format!("{value:?}"),
            "db.statement" => self.statement = format!("{value:?}"),
            _ => {}
        }
    }
}

/// What a statement does and to which table, to name its span by: `UPDATE licences`.
fn summary(statement: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().take(200).collect();
    let word = |at: usize| {
        words
            .get(at)
            .map_or("", |word| word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '_'))
    };
    let is = |at: usize, wanted: &str| word(at).eq_ignore_ascii_case(wanted);
    for at in 0..words.len() {
        if is(at, "INSERT") && is(at + 1, "INTO") {
            return format!("INSERT {}", word(at + 2));
        }
        if is(at, "DELETE") && is(at + 1, "FROM") {
            return format!("DELETE {}", word(at + 2));
        }
        if is(at, "UPDATE") && !is(at.wrapping_sub(1), "FOR") && !is(at.wrapping_sub(1), "DO") {
            return format!("UPDATE {}", word(at + 1));
        }
    }
    let first = word(0).to_ascii_uppercase();
    let table = (0..words.len()).find(|at| is(*at, "FROM")).map(|at| word(at + 1)).unwrap_or_default();
    if table.is_empty() { first } else { format!("SELECT {table}") }
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn a_statement_is_named_by_what_it_does_to_which_table() {
        for (statement, name) in [
            ("SELECT id FROM users WHERE id = $1", "SELECT users"),
            ("SELECT id FROM licences WHERE id = $1 FOR UPDATE", "SELECT licences"),
            ("UPDATE licences AS l SET x = 1", "UPDATE licences"),
            ("WITH new AS (SELECT 1) INSERT INTO audit_log (id) SELECT 1", "INSERT audit_log"),
            ("INSERT INTO keys (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = 1", "INSERT keys"),
            ("DELETE FROM sessions", "DELETE sessions"),
            ("COMMIT", "COMMIT"),
            ("", ""),
        ] {
            assert_eq!(summary(statement), name, "{statement}");
        }
    }
}
