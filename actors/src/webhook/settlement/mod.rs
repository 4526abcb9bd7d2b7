//! Writes the new state of an order: the one place where an order becomes paid, refunded, failed or expired.

mod fates;
mod goods;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::ledger::{Account, Dispute, OrderStatus};
use super::refunds::Failure;
use crate::audit_log::{self, Actor, Entry, Subject};
use crate::order::attempts::end_sessions;
use crate::outbox::{self, NewMessage, Sort, enqueue};
use crate::random;

/// Mails of orders that were paid.
const ORDER_PAID: Sort = Sort::new("order-paid");
/// What is told to other systems.
const EVENT: Sort = Sort::new("event");

/// An account before and after the events of a batch.
pub(super) struct Changed {
    pub before: Account,
    pub after: Account,
}

impl Changed {
    pub(super) fn became_paid(&self) -> bool {
        !self.before.is_paid() && self.after.is_paid()
    }

    /// What the audit log says of the order and of its payment.
    fn audited(&self, by: &Actor) -> Vec<Entry> {
        let tenant_id = self.after.tenant_id;
        let entry = |action, subject| Entry::new(tenant_id, by.clone(), action, subject);
        let (order, payment) =
            (Subject("order", self.after.order_id), Subject("payment", self.after.payment_id));
        let mut entries = Vec::new();
        let (before, after) = (self.before.status.as_str(), self.after.status.as_str());
        if before != after {
            let entry = entry("order.status_changed", order);
            entries.push(entry.before(json!({ "status": before })).after(json!({ "status": after })));
        }
        let (before, after) = (self.before.amount_refunded, self.after.amount_refunded);
        if after > before {
            let entry = entry("payment.refunded", payment).before(json!({ "amountRefunded": before }));
            entries.push(entry.after(json!({ "amountRefunded": after })));
        }
        for failure in self.failed_refunds() {
            let entry = entry("payment.refund_failed", payment).before(json!({ "amountRefunded": before }));
            entries.push(entry.after(json!({
                "refundId": failure.refund_id, "amount": failure.amount, "amountRefunded": after,
            })));
        }
        for dispute in &self.after.disputes {
            let before = self.before.disputes.iter().find(|known| known.id == dispute.id);
            let before = before.map(|known| known.status);
            if before != Some(dispute.status) {
                let entry = entry("payment.dispute_changed", payment);
                let before = before.map(|status| status.as_str());
                entries.push(
                    entry
                        .before(json!({ "disputeId": dispute.id, "status": before }))
                        .after(json!({ "disputeId": dispute.id, "status": dispute.status.as_str() })),
                );
            }
        }
        entries
    }

    /// Refunds of which it was not known that they failed.
    fn failed_refunds(&self) -> impl Iterator<Item = &Failure> {
        let known = &self.before.refunds.failures;
        let is_new = |failure: &&Failure| known.iter().all(|known| known.refund_id != failure.refund_id);
        self.after.refunds.failures.iter().filter(is_new)
    }

    fn is_refunded_now(&self) -> bool {
        self.before.status != OrderStatus::Refunded && self.after.status == OrderStatus::Refunded
    }
}

/// The receipt numbers of a tenant's year are used up. Nothing may be written.
#[derive(Debug)]
pub(super) struct ReceiptsExhausted;

/// Writes the changes of a batch. The orders and payments are locked, and their tenants opened.
pub(super) async fn write(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    by: &Actor,
    changes: &[Changed],
) -> sqlx::Result<Result<(), ReceiptsExhausted>> {
    let changes: Vec<&Changed> = changes.iter().filter(|change| change.before != change.after).collect();
    if changes.is_empty() {
        return Ok(Ok(()));
    }
    let mut entries: Vec<Entry> = changes.iter().flat_map(|change| change.audited(by)).collect();
    write_statuses(connection, now, &changes).await?;
    write_refs(connection, &changes).await?;
    write_disputes(connection, now, &changes).await?;
    write_refund_reports(connection, now, &changes).await?;
    let paid: Vec<&Account> =
        changes.iter().filter(|change| change.became_paid()).map(|change| &change.after).collect();
    if !paid.is_empty() {
        if let Err(exhausted) = goods::write_receipts(connection, now, &paid).await? {
            return Ok(Err(exhausted));
        }
        goods::write_entitlements(connection, now, &paid).await?;
        goods::write_licences(connection, now, &paid, by, &mut entries).await?;
    }
    fates::write(connection, now, &changes, by, &mut entries).await?;
    audit_log::record(connection, now, &entries).await?;
    enqueue(connection, now, &messages(&changes)).await?;
    Ok(Ok(()))
}

async fn write_statuses(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
) -> sqlx::Result<()> {
    let after = |change: &&Changed| change.after.clone();
    let accounts: Vec<Account> = changes.iter().map(after).collect();
    sqlx::query(
        "WITH new AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
                                  $7::bigint[], $8::text[], $9::text[])
                 AS new (tenant_id, order_id, payment_id, status, invoice_status, paid_at, amount_refunded, session_id,
                         payment_intent)
         ), ordered AS (
             UPDATE orders o SET status = new.status, paid_at = new.paid_at
             FROM new WHERE o.tenant_id = new.tenant_id AND o.id = new.order_id
         ), invoiced AS (
             UPDATE invoices i SET status = new.invoice_status, paid_at = new.paid_at
             FROM new WHERE i.tenant_id = new.tenant_id AND i.order_id = new.order_id
         )
         UPDATE payments p
         SET status = new.status, amount_refunded = new.amount_refunded, provider_session_id = new.session_id,
             provider_payment_intent_id = new.payment_intent, updated_at = $10
         FROM new WHERE p.tenant_id = new.tenant_id AND p.id = new.payment_id",
    )
    .bind(accounts.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.payment_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.status.as_str()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.status.of_invoice()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.paid_at).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.amount_refunded).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.session_id.as_deref()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.payment_intent.as_deref()).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes payments findable by the ids that were learned with these events.
async fn write_refs(connection: &mut PgConnection, changes: &[&Changed]) -> sqlx::Result<()> {
    let mut refs: BTreeMap<&str, &Account> = BTreeMap::new();
    for change in changes {
        let learned = |before: &Option<String>, after: &Option<String>| after.is_some() && before != after;
        if learned(&change.before.session_id, &change.after.session_id) {
            refs.extend(change.after.session_id.as_deref().map(|id| (id, &change.after)));
        }
        if learned(&change.before.payment_intent, &change.after.payment_intent) {
            refs.extend(change.after.payment_intent.as_deref().map(|id| (id, &change.after)));
        }
    }
    if refs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO payment_refs (provider, ref, tenant_id, payment_id, order_id)
         SELECT 'STRIPE', new.ref, new.tenant_id, new.payment_id, new.order_id
         FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) WITH ORDINALITY
              AS new (ref, tenant_id, payment_id, order_id, place)
         ORDER BY new.place
         ON CONFLICT (provider, ref) DO NOTHING",
    )
    .bind(refs.keys().copied().collect::<Vec<_>>())
    .bind(refs.values().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(refs.values().map(|account| account.payment_id).collect::<Vec<_>>())
    .bind(refs.values().map(|account| account.order_id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_disputes(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
) -> sqlx::Result<()> {
    let changed: Vec<(&Account, &Dispute)> = changes
        .iter()
        .flat_map(|change| {
            let is_new = |dispute: &&Dispute| !change.before.disputes.contains(dispute);
            change.after.disputes.iter().filter(is_new).map(|dispute| (&change.after, dispute))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO payment_disputes
             (tenant_id, id, payment_id, provider_dispute_id, status, told_at, created_at, updated_at)
         SELECT new.*, $7, $7
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) AS new
         ON CONFLICT (tenant_id, payment_id, provider_dispute_id)
         DO UPDATE SET status = excluded.status, told_at = excluded.told_at, updated_at = excluded.updated_at",
    )
    .bind(changed.iter().map(|(account, _)| account.tenant_id).collect::<Vec<_>>())
    .bind(changed.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(account, _)| account.payment_id).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, dispute)| dispute.id.as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, dispute)| dispute.status.as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, dispute)| dispute.told_at).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A report on a payment's refunds, as it is stored.
struct RefundReport<'a> {
    account: &'a Account,
    kind: &'static str,
    provider_ref: &'a str,
    amount: i64,
    in_full: bool,
    told_at: Option<DateTime<Utc>>,
}

async fn write_refund_reports(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
) -> sqlx::Result<()> {
    let mut new: Vec<RefundReport<'_>> = Vec::new();
    for Changed { before, after: account } in changes {
        let (known, told) = (&before.refunds, &account.refunds);
        new.extend(told.sums.iter().filter(|sum| !known.sums.contains(sum)).map(|sum| RefundReport {
            account,
            kind: "SUM",
            provider_ref: &sum.event_id,
            amount: sum.amount,
            in_full: sum.in_full,
            told_at: sum.at,
        }));
        let failures = told.failures.iter().filter(|failure| !known.failures.contains(failure));
        new.extend(failures.map(|failure| RefundReport {
            account,
            kind: "FAILURE",
            provider_ref: &failure.refund_id,
            amount: failure.amount,
            in_full: false,
            told_at: failure.at,
        }));
    }
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO payment_refund_reports (tenant_id, id, payment_id, kind, provider_ref, amount, in_full, told_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::boolean[],
                              $8::timestamptz[])
         ON CONFLICT (tenant_id, payment_id, kind, provider_ref) DO UPDATE SET told_at = excluded.told_at",
    )
    .bind(new.iter().map(|report| report.account.tenant_id).collect::<Vec<_>>())
    .bind(new.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(new.iter().map(|report| report.account.payment_id).collect::<Vec<_>>())
    .bind(new.iter().map(|report| report.kind).collect::<Vec<_>>())
    .bind(new.iter().map(|report| report.provider_ref).collect::<Vec<_>>())
    .bind(new.iter().map(|report| report.amount).collect::<Vec<_>>())
    .bind(new.iter().map(|report| report.in_full).collect::<Vec<_>>())
    .bind(new.iter().map(|report| report.told_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What others are told of, in the same transaction.
fn messages(changes: &[&Changed]) -> Vec<NewMessage> {
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
            tell("mail.order-paid", ORDER_PAID);
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
