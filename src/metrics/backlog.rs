//! The work that waits in the database, for all processes together. Each process looks from time to time.

use std::time::Duration;

use metrics::gauge;
use primetech_actors::clock::SharedClock;
use primetech_actors::database::Database;
use primetech_actors::fault::Fault;
use primetech_actors::{outbox, webhook};

/// As often as Prometheus asks: cheap, by partial indexes.
const EVERY: Duration = Duration::from_secs(15);
/// A process that starts has other things to do first, and opens no connection more for this.
const FIRST: Duration = Duration::from_secs(3);

/// Looks until it is dropped. While the database is away the figures stay as they were; its absence shows elsewhere.
pub async fn watch(database: Database, clock: SharedClock) {
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        if let Err(error) = look(&database, &clock).await {
            tracing::debug!(%error, "the backlog cannot be looked at");
        }
        pause = EVERY;
    }
}

async fn look(database: &Database, clock: &SharedClock) -> Result<(), Fault> {
    let now = clock.now();
    let mails = outbox::overview::backlog(database, now).await?;
    let age = mails.due_since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
    gauge!("outbox_oldest_due_seconds").set(age);
    gauge!("outbox_due").set(mails.due as f64);
    gauge!("outbox_dead").set(mails.dead as f64);
    gauge!("webhook_events_failed").set(webhook::overview::count_failed(database).await? as f64);
    Ok(())
}
