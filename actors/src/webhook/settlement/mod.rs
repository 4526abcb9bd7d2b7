//! Writes the new state of orders, and tells of it: the one place where an order becomes paid, refunded, failed or
//! expired.

mod changed;
mod store;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ledger::{Account, OrderStatus};
use crate::database::BatchTx;
use crate::order::attempts::end_sessions;
use crate::outbox::{self, MailAllowances, NewMessage, Sort, WantedMail, enqueue};

pub(super) use changed::Changed;
pub(super) use store::ReceiptsExhausted;

/// Mails of orders that were paid.
const ORDER_PAID: Sort = Sort::new("order-paid");
/// What is told to other systems.
const EVENT: Sort = Sort::new("event");

/// Writes the changes of a batch. The orders and payments are locked, and their tenants opened.
pub(super) async fn write(
    tx: &mut BatchTx,
    now: DateTime<Utc>,
    allowances: &MailAllowances,
    changes: &[Changed],
) -> sqlx::Result<Result<(), ReceiptsExhausted>> {
    let changes: Vec<&Changed> = changes.iter().filter(|change| change.before != change.after).collect();
    if changes.is_empty() {
        return Ok(Ok(()));
    }
    let connection = tx.connection();
    store::write_statuses(connection, now, &changes).await?;
    store::write_refs(connection, &changes).await?;
    store::write_disputes(connection, now, &changes).await?;
    store::write_refund_reports(connection, now, &changes).await?;
    let paid: Vec<&Account> =
        changes.iter().filter(|change| change.became_paid()).map(|change| &change.after).collect();
    if !paid.is_empty()
        && let Err(exhausted) = store::write_receipts(connection, now, &paid).await?
    {
        return Ok(Err(exhausted));
    }
    let held_back = held_back(connection, now, allowances, &paid).await?;
    enqueue(connection, now, &messages(&changes, &held_back)).await?;
    for change in changes {
        change.tell(tx, now);
    }
    Ok(Ok(()))
}

/// The orders whose buyers are not mailed. An order that costs nothing is placed as easily as a form is sent, for any
/// address that nobody has confirmed: its mail counts as one that a stranger caused.
async fn held_back(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    allowances: &MailAllowances,
    paid: &[&Account],
) -> sqlx::Result<BTreeSet<Uuid>> {
    let free: Vec<&Account> = paid.iter().copied().filter(|account| account.total == 0).collect();
    if free.is_empty() {
        return Ok(BTreeSet::new());
    }
    let unconfirmed = store::unconfirmed_buyers(connection, &free).await?;
    let mails: Vec<WantedMail<'_>> =
        unconfirmed.iter().map(|(_, email)| WantedMail { email, sort: ORDER_PAID, leaves: true }).collect();
    let allowed = allowances.take(connection, now, &mails).await?;
    let orders = unconfirmed.iter().map(|(order_id, _)| *order_id);
    Ok(orders.zip(allowed).filter(|(_, is_allowed)| !is_allowed).map(|(order_id, _)| order_id).collect())
}

/// What others are told of, in the same transaction.
fn messages(changes: &[&Changed], held_back: &BTreeSet<Uuid>) -> Vec<NewMessage> {
    let mut messages = Vec::new();
    for change in changes {
        let account = &change.after;
        let payload = json!({ "orderId": account.order_id, "userId": account.user_id });
        let mut tell = |topic, sort| {
            messages.push(NewMessage {
                tenant_id: account.tenant_id,
                topic,
                sort,
                subject: Some(outbox::Subject("order", account.order_id)),
                payload: payload.clone(),
            });
        };
        if change.became_paid() {
            if !held_back.contains(&account.order_id) {
                tell("mail.order-paid", ORDER_PAID);
            }
            tell("event.order-paid", EVENT);
        }
        if change.is_refunded_now() {
            tell("event.order-refunded", EVENT);
        }
        for _failed in change.failed_refunds() {
            tell("event.order-refund-failed", EVENT);
            metrics::counter!("payment_refunds_failed_total").increment(1);
        }
        match (change.before.status, account.status) {
            (OrderStatus::Pending, OrderStatus::Failed) => tell("event.order-failed", EVENT),
            (OrderStatus::Pending, OrderStatus::Expired) => tell("event.order-expired", EVENT),
            _ => {}
        }
        if change.became_paid() && account.has_other_sessions {
            messages.push(end_sessions(account.tenant_id, account.order_id));
        }
    }
    messages
}
