//! Reconciles at the operator's request: asks at once about every payment in question. Only the command calls it.

use std::collections::{BTreeSet, HashMap};

use actix::Arbiter;
use serde::Serialize;
use uuid::Uuid;

use super::provider::{Provider, ProviderEvent};
use super::store;
use super::sweep::{BATCH, Outcome, Reconciler, ReconcilerSettings};
use crate::batch::BatchLimits;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::identifiers::OrderNumber;
use crate::order::OrderActor;
use crate::outbox::{MailAllowances, OutboxSignal};
use crate::shard::Shards;
use crate::tenancy::TenantScope;
use crate::webhook::{Handled, WebhookActor, overview};

/// Which payments are asked about; none is no condition.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub tenant_id: Option<Uuid>,
    pub order_id: Option<Uuid>,
    pub at_most: i64,
}

/// A payment that was asked about.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciled {
    /// The slug.
    pub tenant: String,
    pub order_number: String,
    pub outcome: Outcome,
    /// The order's status now.
    pub status: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub asked: Vec<Reconciled>,
    /// False where refunds and disputes could not be asked for to their end.
    pub is_whole: bool,
}

/// Asks about all pending payments of `choice`, the oldest first, and for refunds and disputes of paid ones. Those that
/// a serving process is asking about at this moment are left to it. Needs a running actix system; mails leave with the next serving process.
pub async fn run<P: Provider>(
    database: &Database,
    clock: &SharedClock,
    provider: P,
    settings: ReconcilerSettings,
    choice: &Choice,
) -> Result<Report, Fault> {
    let arbiter = Arbiter::new();
    let reconciler = reconciler(database, clock, &arbiter, provider, settings);
    let done = async {
        let mut asked = ask_all(database, &reconciler, choice).await?;
        // Where the provider is away, it need not be asked for anything else.
        let mut is_whole = !asked.iter().any(|one| one.outcome == Outcome::Unavailable);
        if is_whole {
            let heard = hear_all(database, &reconciler, choice).await?;
            asked.extend(heard.asked);
            is_whole = heard.is_whole;
        }
        Ok(Report { asked, is_whole })
    };
    let done = done.await;
    arbiter.stop();
    done
}

fn reconciler<P: Provider>(
    database: &Database,
    clock: &SharedClock,
    arbiter: &Arbiter,
    provider: P,
    settings: ReconcilerSettings,
) -> Reconciler<P> {
    let (arbiters, limits) = (std::slice::from_ref(arbiter), BatchLimits::default());
    let webhooks = Shards::start(arbiters, {
        let (database, clock) = (database.clone(), clock.clone());
        move || {
            // What an operator asks for is no stranger's doing.
            let (outbox, allowances) = (OutboxSignal::default(), MailAllowances::unlimited());
            WebhookActor::new(database.clone(), clock.clone(), outbox, allowances, limits)
        }
    });
    let orders = Shards::start(arbiters, {
        let (database, clock) = (database.clone(), clock.clone());
        move || OrderActor::new(database.clone(), clock.clone(), limits)
    });
    Reconciler::new(database.clone(), clock.clone(), webhooks, orders, provider, settings)
}

async fn ask_all<P: Provider>(
    database: &Database,
    reconciler: &Reconciler<P>,
    choice: &Choice,
) -> Result<Vec<Reconciled>, Fault> {
    let mut tx = database.reconciler_tx().await?;
    let pending = store::pending(tx.connection(), choice.tenant_id, choice.order_id, choice.at_most).await?;
    tx.commit().await?;
    let mut all = Vec::with_capacity(pending.len());
    for ids in pending.chunks(BATCH) {
        let mut away = false;
        for (payment, outcome) in reconciler.ask_about_chosen(ids).await? {
            away |= outcome == Outcome::Unavailable;
            all.push(told(database, (payment.tenant_id, payment.order_id), outcome).await?);
        }
        // The rest would fare no better.
        if away {
            break;
        }
    }
    Ok(all)
}

/// Refunds and disputes that were not heard of. One of no known order is kept until its payment comes, and not told.
async fn hear_all<P: Provider>(
    database: &Database,
    reconciler: &Reconciler<P>,
    choice: &Choice,
) -> Result<Report, Fault> {
    let is_everything = choice.tenant_id.is_none() && choice.order_id.is_none();
    let chosen = async |events: Vec<ProviderEvent>| {
        if is_everything {
            return Ok(events);
        }
        let orders = orders_of(database, &events).await?;
        let is_chosen = |event: &ProviderEvent| {
            order_of(&orders, event).is_some_and(|(tenant_id, order_id)| {
                choice.tenant_id.is_none_or(|wanted| wanted == tenant_id)
                    && choice.order_id.is_none_or(|wanted| wanted == order_id)
            })
        };
        Ok(events.into_iter().filter(is_chosen).collect())
    };
    let (heard, is_whole) = reconciler.hear_everything(chosen).await?;
    let events: Vec<ProviderEvent> = heard.iter().map(|heard| heard.event.clone()).collect();
    let orders = orders_of(database, &events).await?;
    let mut asked = Vec::new();
    for heard in heard {
        let outcome = match heard.handled {
            Ok(Handled::Processed) => match heard.event.kind {
                "charge.refunded" => Outcome::Refunded,
                "charge.dispute.closed" => Outcome::DisputeClosed,
                "refund.failed" | "refund.updated" | "charge.refund.updated" => Outcome::RefundFailed,
                _ => Outcome::Disputed,
            },
            Ok(Handled::Failed) => Outcome::Mismatch,
            Ok(Handled::Duplicate | Handled::Waiting | Handled::Ignored) => continue,
            Err(_) => Outcome::NotWritten,
        };
        if let Some(order) = order_of(&orders, &heard.event) {
            asked.push(told(database, order, outcome).await?);
        }
    }
    Ok(Report { asked, is_whole })
}

type Orders = HashMap<String, (Uuid, Uuid)>;

async fn orders_of(database: &Database, events: &[ProviderEvent]) -> Result<Orders, Fault> {
    let intents: BTreeSet<&str> = events.iter().filter_map(|event| event.payment_intent.as_deref()).collect();
    overview::orders_of(database, &intents).await
}

fn order_of(orders: &Orders, event: &ProviderEvent) -> Option<(Uuid, Uuid)> {
    orders.get(event.payment_intent.as_deref()?).copied()
}

async fn told(
    database: &Database,
    (tenant_id, order_id): (Uuid, Uuid),
    outcome: Outcome,
) -> Result<Reconciled, Fault> {
    let scope = TenantScope::proven(tenant_id);
    let (tenant, order_number, status): (String, String, String) = database
        .read(&scope, async |tx| {
            let tenant_id = tx.tenant_id();
            sqlx::query_as(
                "SELECT t.slug, o.number, o.status FROM orders o JOIN tenants t ON t.id = o.tenant_id
                 WHERE o.tenant_id = $1 AND o.id = $2",
            )
            .bind(tenant_id)
            .bind(order_id)
            .fetch_one(tx.connection())
            .await
        })
        .await?;
    Ok(Reconciled { tenant, order_number, outcome, status })
}

/// An order by its number, and its status.
pub async fn find_order(
    database: &Database,
    scope: &TenantScope,
    number: &OrderNumber,
) -> Result<Option<(Uuid, String)>, Fault> {
    database
        .read(scope, async |tx| {
            let tenant_id = tx.tenant_id();
            sqlx::query_as("SELECT id, status FROM orders WHERE tenant_id = $1 AND number = $2")
                .bind(tenant_id)
                .bind(number.as_str())
                .fetch_optional(tx.connection())
                .await
        })
        .await
}
