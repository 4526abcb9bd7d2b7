//! The SQL of what the provider's news change.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::changed::Changed;
use crate::counter::series::{self, Kind, Series};
use crate::identifiers::ReceiptNumber;
use crate::random;
use crate::webhook::ledger::{Account, Dispute};

/// The receipt numbers of a tenant's year are used up. Nothing may be written.
#[derive(Debug)]
pub(in crate::webhook) struct ReceiptsExhausted;

/// Receipts are numbered in the year in which they are issued, which may be a later one than that of the payment.
pub(super) async fn write_receipts(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    paid: &[&Account],
) -> sqlx::Result<Result<(), ReceiptsExhausted>> {
    let series_of =
        |account: &Account| Series { tenant_id: account.tenant_id, kind: Kind::Receipt, period: now.year() };
    let mut wanted: BTreeMap<Series, i32> = BTreeMap::new();
    for account in paid {
        *wanted.entry(series_of(account)).or_default() += 1;
    }
    let mut blocks = series::take(connection, &wanted).await?;
    let mut numbers = Vec::with_capacity(paid.len());
    for account in paid {
        match blocks.get_mut(&series_of(account)) {
            Some(block) if block.count > 0 => {
                numbers.push(ReceiptNumber::of(now.year(), block.first).to_string());
                block.first += 1;
                block.count -= 1;
            }
            // The caller rolls everything back, the numbers taken included.
            _ => return Ok(Err(ReceiptsExhausted)),
        }
    }
    sqlx::query(
        "INSERT INTO receipts (tenant_id, id, number, order_id, currency, total, paid_at, provider,
                               provider_payment_id, created_at)
         SELECT new.tenant_id, new.id, new.number, new.order_id, new.currency, new.total, new.paid_at,
                'STRIPE', new.payment_intent, $7
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $8::text[],
                     $9::timestamptz[])
              AS new (tenant_id, id, number, order_id, currency, total, payment_intent, paid_at)",
    )
    .bind(paid.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(numbers)
    .bind(paid.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.currency.as_str()).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.total).collect::<Vec<_>>())
    .bind(now)
    .bind(paid.iter().map(|account| account.payment_intent.as_deref()).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.paid_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(Ok(()))
}

pub(super) async fn write_statuses(
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
pub(super) async fn write_refs(connection: &mut PgConnection, changes: &[&Changed]) -> sqlx::Result<()> {
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

pub(super) async fn write_disputes(
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

pub(super) async fn write_refund_reports(
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

/// Those orders whose buyer's address is not confirmed, with the address.
pub(super) async fn unconfirmed_buyers(
    connection: &mut PgConnection,
    orders: &[&Account],
) -> sqlx::Result<Vec<(Uuid, String)>> {
    sqlx::query_as(
        "SELECT bought.order_id, u.email
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS bought (tenant_id, order_id, user_id)
         JOIN users u ON u.tenant_id = bought.tenant_id AND u.id = bought.user_id
         WHERE u.email_verified_at IS NULL ORDER BY bought.order_id",
    )
    .bind(orders.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(orders.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(orders.iter().map(|account| account.user_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}
