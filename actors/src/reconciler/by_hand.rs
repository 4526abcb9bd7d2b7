//! Reconciling by the operator's hand: asks at once, whatever is due. Called by the command only.

use actix::Arbiter;
use serde::Serialize;
use uuid::Uuid;

use super::provider::Provider;
use super::store::{self, Leased};
use super::sweep::{BATCH, Outcome, Reconciler, ReconcilerSettings};
use crate::batch::BatchLimits;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::identifiers::OrderNumber;
use crate::order::OrderActor;
use crate::outbox::OutboxSignal;
use crate::shard::Shards;
use crate::tenancy::TenantScope;
use crate::webhook::WebhookActor;

/// Which pending payments are asked about; none is no condition.
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

/// Asks about all payments of `choice`, the oldest first. Those that a serving process is asking about at this moment
/// are left to it. Needs a running actix system; mails leave with the next serving process.
pub async fn run<P: Provider>(
    database: &Database,
    clock: &SharedClock,
    provider: P,
    settings: ReconcilerSettings,
    choice: &Choice,
) -> Result<Vec<Reconciled>, Fault> {
    let arbiter = Arbiter::new();
    let reconciler = reconciler(database, clock, &arbiter, provider, settings);
    let done = ask_all(database, &reconciler, choice).await;
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
        move || WebhookActor::new(database.clone(), clock.clone(), OutboxSignal::default(), limits)
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
            all.push(told(database, &payment, outcome).await?);
        }
        // The rest would fare no better.
        if away {
            break;
        }
    }
    Ok(all)
}

async fn told(database: &Database, payment: &Leased, outcome: Outcome) -> Result<Reconciled, Fault> {
    let scope = TenantScope::proven(payment.tenant_id);
    let (tenant, order_number, status): (String, String, String) = database
        .read(&scope, async |tx| {
            let tenant_id = tx.tenant_id();
            sqlx::query_as(
                "SELECT t.slug, o.number, o.status FROM orders o JOIN tenants t ON t.id = o.tenant_id
                 WHERE o.tenant_id = $1 AND o.id = $2",
            )
            .bind(tenant_id)
            .bind(payment.order_id)
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
