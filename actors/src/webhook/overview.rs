//! The stored provider events, for the operator to list and to run again. Payloads are not shown, because they
//! contain customers' data.

use std::collections::{BTreeSet, HashMap};

use actix::Actor;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use serde::Serialize;
use uuid::Uuid;

use super::{Handled, Retry, WebhookActor, store};
use crate::ask::ask;
use crate::batch::BatchLimits;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::outbox::{MailAllowances, OutboxSignal};

/// Events that run again at the same time, so that they share transactions.
const RETRIED_AT_ONCE: usize = 32;

/// An event as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    pub provider_event_id: String,
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    pub kind: String,
    /// `PENDING`, `PROCESSED`, `FAILED` or `IGNORED`.
    pub status: String,
    pub attempts: i32,
    pub last_error: Option<String>,
    /// The payment intent whose payment it waits for.
    pub awaiting: Option<String>,
    /// The slug, where the tenant is known.
    pub tenant: Option<String>,
    pub order_id: Option<Uuid>,
    pub received_at: DateTime<Utc>,
    pub processed_at: Option<DateTime<Utc>>,
}

/// Which events are looked for; none is no condition.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub status: Option<String>,
    pub tenant_id: Option<Uuid>,
    pub provider_event_id: Option<String>,
}

/// The events, newest first, `at_most` of them.
pub async fn list(
    database: &Database,
    filter: &EventFilter,
    at_most: i64,
) -> Result<Vec<EventRecord>, Fault> {
    let mut tx = database.platform_tx().await?;
    let events = store::list(tx.connection(), filter, at_most).await?;
    tx.commit().await?;
    Ok(events)
}

/// The ids of failed events, oldest first: in the order in which they were told.
pub async fn failed(database: &Database, at_most: i64) -> Result<Vec<String>, Fault> {
    let mut tx = database.platform_tx().await?;
    let ids = store::failed_ids(tx.connection(), at_most).await?;
    tx.commit().await?;
    Ok(ids)
}

/// How many events failed.
pub async fn count_failed(database: &Database) -> Result<i64, Fault> {
    let mut tx = database.platform_tx().await?;
    let count = store::count_failed(tx.connection()).await?;
    tx.commit().await?;
    Ok(count)
}

/// Runs stored events again, in a process that serves nothing: what each came to, in the given order. None: there is
/// no such event. Their mails leave with the next serving process. Needs a running actix system.
pub async fn retry(
    database: &Database,
    clock: &SharedClock,
    provider_event_ids: Vec<String>,
) -> Vec<(String, Result<Option<Handled>, Fault>)> {
    let (outbox, limits) = (OutboxSignal::default(), BatchLimits::default());
    // What an operator has run again is no stranger's doing.
    let allowances = MailAllowances::unlimited();
    let actor = WebhookActor::new(database.clone(), clock.clone(), outbox, allowances, limits).start();
    futures_util::stream::iter(provider_event_ids)
        .map(|id| {
            let asked = ask(&actor, Retry { provider_event_id: id.clone() });
            async move { (id, asked.await) }
        })
        .buffered(RETRIED_AT_ONCE)
        .collect()
        .await
}

/// Which of these events are stored.
pub(crate) async fn known(database: &Database, provider_event_ids: &[String]) -> Result<Vec<String>, Fault> {
    let mut tx = database.platform_tx().await?;
    let known = store::known_ids(tx.connection(), provider_event_ids).await?;
    tx.commit().await?;
    Ok(known)
}

/// The tenant and order behind each payment intent that is known.
pub(crate) async fn orders_of(
    database: &Database,
    payment_intents: &BTreeSet<&str>,
) -> Result<HashMap<String, (Uuid, Uuid)>, Fault> {
    let mut tx = database.platform_tx().await?;
    let orders = store::resolve_refs(tx.connection(), payment_intents).await?;
    tx.commit().await?;
    Ok(orders)
}
