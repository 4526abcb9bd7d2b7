//! Events that bear our mark and wait for a payment that does not come.

use chrono::TimeDelta;

use super::store;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;

/// For so long a payment may come. As long as the provider keeps events.
const LONGEST_WAIT: TimeDelta = TimeDelta::days(30);

/// Given up in one transaction.
const BATCH: i64 = 500;

/// Gives up what has waited too long: it is `FAILED`, for an operator to see. Any number of processes may at the same
/// time. True where a batch was full: there is likely to be more.
pub async fn give_up(database: &Database, clock: &SharedClock) -> Result<bool, Fault> {
    let now = clock.now();
    let mut tx = database.platform_tx().await?;
    let given_up = store::give_up_waiting(tx.connection(), now, now - LONGEST_WAIT, BATCH).await?;
    tx.commit().await?;
    if given_up > 0 {
        tracing::warn!(events = given_up, "provider events waited for payments that did not come");
        metrics::counter!("webhook_events_failed_total").increment(given_up);
    }
    Ok(given_up == BATCH.unsigned_abs())
}
