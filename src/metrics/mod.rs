//! The metrics of a process, for Prometheus. Recorded where things happen, shown at `/metrics`, listed in
//! `docs/metrics.md`.
//!
//! Labels are few and bounded: patterns of routes, names of actors, codes. Never a tenant's, a user's or a key's.

pub mod backlog;
mod process;

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use primetech_actors::database::Database;
use primetech_actors::{queue_figures, reconciler, sweeper};

use crate::rate_limits::Bucket;

/// Seconds: from a cached answer to the patience of a request; 0.2 is what `docs/slo.md` promises.
const DURATIONS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds between events of two machines: from at once to a day.
const LAGS: &[f64] = &[0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0];
/// Requests in one commit, up to the largest batch.
const BATCH_SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// How often recorded samples are folded into their buckets, so that they do not pile up unread.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder is the process's, whatever number of applications it runs. None where another one was there before.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record.
pub fn install() {
    RECORDER.get_or_init(|| match builder().and_then(PrometheusBuilder::install_recorder) {
        Ok(handle) => {
            describe();
            begin_at_zero();
            Some(handle)
        }
        Err(error) => {
            tracing::warn!(%error, "figures are not recorded");
            None
        }
    });
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), DURATIONS)?
        .set_buckets_for_metric(Matcher::Full("webhook_lag_seconds".to_owned()), LAGS)?
        .set_buckets_for_metric(Matcher::Full("outbox_delivery_seconds".to_owned()), LAGS)?
        .set_buckets_for_metric(Matcher::Full("batch_size".to_owned()), BATCH_SIZES)
}

fn describe() {
    describe_counter!("http_requests_total", "Requests answered, by route, method and status");
    describe_histogram!(
        "http_request_duration_seconds",
        Unit::Seconds,
        "From a request's head to its answer's"
    );
    describe_gauge!("http_requests_in_flight", "Requests being answered");
    describe_counter!("rate_limited_total", "Requests refused by a rate limit, by bucket");
    describe_gauge!("rate_limits_shared", "1 while rate limits are counted in Redis, 0 while Redis is lost");
    describe_gauge!(
        "database_connections_open",
        "Connections of the shared pool; queues of batches share three for each core beside it"
    );
    describe_gauge!("database_connections_busy", "Connections of the pool that are in use");
    describe_gauge!("database_connections_limit", "Connections that the pool opens at most");
    describe_gauge!("batch_queue_depth", "Requests waiting for an actor");
    describe_gauge!(
        "batch_queue_oldest_seconds",
        Unit::Seconds,
        "How long an actor's oldest unanswered request has been there"
    );
    describe_histogram!("batch_wait_seconds", Unit::Seconds, "How long the oldest request of a batch waited");
    describe_histogram!("batch_size", "Requests done in one transaction");
    describe_histogram!("batch_commit_seconds", Unit::Seconds, "How long commits took");
    describe_counter!("batch_refused_total", "Requests refused because an actor's queue was full");
    describe_counter!("batch_isolated_total", "Batches done again one by one because one of them failed");
    describe_counter!("licence_unknown_keys_total", "Calls that named a licence key that nobody has");
    describe_counter!(
        "licence_guesses_total",
        "The same, beyond the 20 in 15 minutes of one address that mistyping explains"
    );
    describe_counter!("activation_refusals_total", "Activations refused, by reason");
    describe_counter!("webhook_events_failed_total", "Provider events that failed");
    describe_gauge!("webhook_events_failed", "Stored provider events that failed and were not run again");
    describe_counter!("payment_refunds_failed_total", "Refunds that failed after they were made");
    describe_histogram!(
        "webhook_lag_seconds",
        Unit::Seconds,
        "From when the provider made an event to when what follows was committed"
    );
    describe_counter!(
        "reconciled_events_total",
        "Refunds and disputes that the provider was asked for and that were not heard of, by type and outcome"
    );
    describe_counter!("reconciled_total", "Pending payments that the provider was asked about, by outcome");
    describe_gauge!(
        "payments_oldest_pending_seconds",
        Unit::Seconds,
        "Age of the oldest payment of which no outcome is known"
    );
    describe_counter!("audit_entries_sealed_total", "Entries of the audit log that were chained");
    describe_counter!("outbox_failures_total", "Messages that were not delivered");
    describe_gauge!("outbox_due", "Messages that are due and not delivered");
    describe_gauge!("outbox_oldest_due_seconds", Unit::Seconds, "For how long the oldest of them is due");
    describe_gauge!("outbox_dead", "Messages that were given up");
    describe_histogram!(
        "outbox_delivery_seconds",
        Unit::Seconds,
        "From a message's writing to its delivery, by topic"
    );
    describe_counter!(
        "mails_held_back_total",
        "Mails that were not written because their recipients had enough of them in an hour"
    );
    describe_counter!("swept_rows_total", "Rows that were deleted because their time was over, by table");
    describe_counter!("trace_exports_total", "Batches of spans that were sent to the collector, or lost");
    describe_gauge!("build_info", "1, with the version of the program");
}

/// Shows what hardly ever happens from the start on: the first time is a rise only from a zero that was seen before.
fn begin_at_zero() {
    counter!("webhook_events_failed_total").increment(0);
    counter!("payment_refunds_failed_total").increment(0);
    counter!("licence_unknown_keys_total").increment(0);
    counter!("licence_guesses_total").increment(0);
    for dead in ["true", "false"] {
        counter!("outbox_failures_total", "dead" => dead).increment(0);
    }
    counter!("mails_held_back_total").increment(0);
    counter!("audit_entries_sealed_total").increment(0);
    for bucket in Bucket::ALL {
        counter!("rate_limited_total", "bucket" => bucket.name()).increment(0);
    }
    for reason in primetech_licences::REFUSALS {
        counter!("activation_refusals_total", "reason" => reason).increment(0);
    }
    for outcome in reconciler::Outcome::ALL {
        counter!("reconciled_total", "outcome" => outcome.name()).increment(0);
    }
    for kind in reconciler::EVENT_KINDS {
        counter!("reconciled_events_total", "type" => *kind, "outcome" => "processed").increment(0);
    }
    for table in sweeper::TABLES {
        counter!("swept_rows_total", "table" => table).increment(0);
    }
    for outcome in ["sent", "lost"] {
        counter!("trace_exports_total", "outcome" => outcome).increment(0);
    }
    gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Folds samples into their buckets.
pub fn upkeep() {
    if let Some(Some(recorder)) = RECORDER.get() {
        recorder.run_upkeep();
    }
}

/// All figures as Prometheus reads them; empty where none are recorded.
pub fn render(database: &Database) -> String {
    let (busy, open) = database.pool_use();
    gauge!("database_connections_open").set(f64::from(open));
    gauge!("database_connections_busy").set(f64::from(busy));
    gauge!("database_connections_limit").set(f64::from(database.pool_limit()));
    for (actor, queued) in queue_figures::queues() {
        gauge!("batch_queue_depth", "actor" => actor).set(queued.waiting as f64);
        gauge!("batch_queue_oldest_seconds", "actor" => actor).set(queued.oldest.as_secs_f64());
    }
    let Some(recorder) = RECORDER.get().and_then(Option::as_ref) else { return String::new() };
    recorder.render() + &process::render()
}
