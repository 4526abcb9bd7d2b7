//! The SQL of provider events and of the payments that they name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::event::Event;
use super::ledger::{Account, Dispute, DisputeStatus, OrderStatus};
use super::overview::{EventFilter, EventRecord};
use super::refunds::{Failure, Refunds, Sum};
use crate::random;

/// An event that was stored before.
#[derive(sqlx::FromRow, Debug)]
pub(super) struct StoredEvent {
    pub provider_event_id: String,
    pub payload: String,
}

/// Where the events stand that are stored, and whether they await a payment. They are not locked: two that deal with one event at the same time meet at
/// its payment intent or its order, and the later finds done what it came to do.
pub(super) async fn statuses(
    connection: &mut PgConnection,
    provider_event_ids: &BTreeSet<&str>,
) -> sqlx::Result<HashMap<String, (String, bool)>> {
    let rows: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT provider_event_id, status, awaiting_ref IS NOT NULL FROM webhook_events
         WHERE provider = 'STRIPE' AND provider_event_id = ANY ($1)",
    )
    .bind(provider_event_ids.iter().copied().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, status, is_awaiting)| (id, (status, is_awaiting))).collect())
}

pub(super) async fn find(
    connection: &mut PgConnection,
    provider_event_id: &str,
) -> sqlx::Result<Option<StoredEvent>> {
    sqlx::query_as(
        "SELECT provider_event_id, payload::text AS payload FROM webhook_events
         WHERE provider = 'STRIPE' AND provider_event_id = $1",
    )
    .bind(provider_event_id)
    .fetch_optional(connection)
    .await
}

/// Lets only one transaction at a time deal with a payment intent, known or not: a refund that looks for its payment
/// and the payment that looks for its refunds cannot miss each other.
pub(super) async fn lock_intents(
    connection: &mut PgConnection,
    intents: &BTreeSet<&str>,
) -> sqlx::Result<()> {
    if intents.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "SELECT pg_advisory_xact_lock(locks.lock)
         FROM (SELECT DISTINCT hashtextextended(intent, 0) AS lock FROM unnest($1::text[]) AS intents (intent)
               ORDER BY lock) AS locks",
    )
    .bind(intents.iter().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The tenant and order behind each of the provider's ids that is known.
pub(super) async fn resolve_refs(
    connection: &mut PgConnection,
    refs: &BTreeSet<&str>,
) -> sqlx::Result<HashMap<String, (Uuid, Uuid)>> {
    let rows: Vec<(String, Uuid, Uuid)> = sqlx::query_as(
        "SELECT ref, tenant_id, order_id FROM payment_refs WHERE provider = 'STRIPE' AND ref = ANY ($1)",
    )
    .bind(refs.iter().copied().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(reference, tenant_id, order_id)| (reference, (tenant_id, order_id))).collect())
}

/// Which of `ids` are tenants. Metadata is ours, but an account may be shared with another installation.
pub(super) async fn known_tenants(
    connection: &mut PgConnection,
    ids: &BTreeSet<Uuid>,
) -> sqlx::Result<BTreeSet<Uuid>> {
    let rows: Vec<(Uuid,)> = sqlx::query_as("SELECT id FROM tenants WHERE id = ANY ($1)")
        .bind(ids.iter().copied().collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

#[derive(sqlx::FromRow)]
struct AccountRow {
    tenant_id: Uuid,
    order_id: Uuid,
    payment_id: Uuid,
    user_id: Uuid,
    status: String,
    total: i64,
    currency: String,
    paid_at: Option<DateTime<Utc>>,
    amount_refunded: i64,
    session_id: Option<String>,
    payment_intent: Option<String>,
    has_other_sessions: bool,
}

/// Locks orders with their payments, in a sorted order, and reads what is known of them.
pub(super) async fn lock_accounts(
    connection: &mut PgConnection,
    orders: &BTreeSet<(Uuid, Uuid)>,
) -> sqlx::Result<BTreeMap<(Uuid, Uuid), Account>> {
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) = orders.iter().copied().unzip();
    let rows: Vec<AccountRow> = sqlx::query_as(
        "SELECT o.tenant_id, o.id AS order_id, p.id AS payment_id, o.user_id, o.status, o.total, o.currency, o.paid_at,
                p.amount_refunded, p.provider_session_id AS session_id,
                p.provider_payment_intent_id AS payment_intent, p.attempt > 1 AS has_other_sessions
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, id)
         JOIN orders o ON o.tenant_id = wanted.tenant_id AND o.id = wanted.id
         JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
         ORDER BY o.tenant_id, o.id FOR UPDATE OF o, p",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    let mut accounts = BTreeMap::new();
    for row in rows {
        let status = OrderStatus::parse(&row.status)
            .ok_or_else(|| sqlx::Error::Decode("an unknown order status".into()))?;
        accounts.insert(
            (row.tenant_id, row.order_id),
            Account {
                tenant_id: row.tenant_id,
                order_id: row.order_id,
                payment_id: row.payment_id,
                user_id: row.user_id,
                status,
                total: row.total,
                currency: row.currency,
                paid_at: row.paid_at,
                amount_refunded: row.amount_refunded,
                session_id: row.session_id,
                payment_intent: row.payment_intent,
                has_other_sessions: row.has_other_sessions,
                disputes: Vec::new(),
                refunds: Refunds::default(),
            },
        );
    }
    read_reports(connection, &mut accounts).await?;
    Ok(accounts)
}

/// Disputes, and what was told of refunds.
async fn read_reports(
    connection: &mut PgConnection,
    accounts: &mut BTreeMap<(Uuid, Uuid), Account>,
) -> sqlx::Result<()> {
    // They can only be about what was paid before.
    let paid: Vec<(Uuid, Uuid)> = accounts
        .values()
        .filter(|account| account.is_paid())
        .map(|account| (account.tenant_id, account.payment_id))
        .collect();
    if paid.is_empty() {
        return Ok(());
    }
    let (tenants, payments): (Vec<Uuid>, Vec<Uuid>) = paid.into_iter().unzip();
    #[derive(sqlx::FromRow)]
    struct Row {
        tenant_id: Uuid,
        order_id: Uuid,
        provider_dispute_id: String,
        status: String,
        told_at: Option<DateTime<Utc>>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT d.tenant_id, p.order_id, d.provider_dispute_id, d.status, d.told_at
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, payment_id)
         JOIN payment_disputes d ON d.tenant_id = wanted.tenant_id AND d.payment_id = wanted.payment_id
         JOIN payments p ON p.tenant_id = d.tenant_id AND p.id = d.payment_id",
    )
    .bind(&tenants)
    .bind(&payments)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let status = DisputeStatus::parse(&row.status)
            .ok_or_else(|| sqlx::Error::Decode("an unknown dispute status".into()))?;
        if let Some(account) = accounts.get_mut(&(row.tenant_id, row.order_id)) {
            let (id, told_at) = (row.provider_dispute_id, row.told_at);
            account.disputes.push(Dispute { id, status, told_at });
        }
    }
    read_refund_reports(connection, accounts, &tenants, &payments).await
}

async fn read_refund_reports(
    connection: &mut PgConnection,
    accounts: &mut BTreeMap<(Uuid, Uuid), Account>,
    tenants: &[Uuid],
    payments: &[Uuid],
) -> sqlx::Result<()> {
    #[derive(sqlx::FromRow)]
    struct Row {
        tenant_id: Uuid,
        order_id: Uuid,
        kind: String,
        provider_ref: String,
        amount: i64,
        in_full: bool,
        told_at: Option<DateTime<Utc>>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.tenant_id, p.order_id, r.kind, r.provider_ref, r.amount, r.in_full, r.told_at
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, payment_id)
         JOIN payment_refund_reports r ON r.tenant_id = wanted.tenant_id AND r.payment_id = wanted.payment_id
         JOIN payments p ON p.tenant_id = r.tenant_id AND p.id = r.payment_id",
    )
    .bind(tenants)
    .bind(payments)
    .fetch_all(connection)
    .await?;
    for row in rows {
        let Some(account) = accounts.get_mut(&(row.tenant_id, row.order_id)) else { continue };
        let Row { kind, provider_ref, amount, in_full, told_at: at, .. } = row;
        if kind == "SUM" {
            account.refunds.hear_sum(Sum { event_id: provider_ref, amount, in_full, at });
        } else {
            account.refunds.hear_failure(Failure { refund_id: provider_ref, amount, at });
        }
    }
    // Refunds that an earlier program noted on the payment only.
    for account in accounts.values_mut() {
        if account.amount_refunded > 0 && account.refunds.sums.is_empty() {
            account.refunds.sums.push(Sum {
                event_id: String::new(),
                amount: account.amount_refunded,
                in_full: account.status == OrderStatus::Refunded,
                at: None,
            });
        }
    }
    Ok(())
}

/// The stored events that wait for one of these payment intents, whether they bear our mark or not, oldest first. They
/// are locked.
///
/// One that is locked elsewhere is being dealt with there, behind the lock on its payment intent, after this
/// transaction: waiting for it here would be a deadlock.
pub(super) async fn lock_waiting(
    connection: &mut PgConnection,
    intents: &BTreeSet<&str>,
) -> sqlx::Result<Vec<StoredEvent>> {
    if intents.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(
        "SELECT provider_event_id, payload::text AS payload FROM webhook_events
         WHERE provider = 'STRIPE' AND status IN ('PENDING', 'IGNORED') AND awaiting_ref = ANY ($1)
         ORDER BY received_at, provider_event_id FOR UPDATE SKIP LOCKED",
    )
    .bind(intents.iter().copied().collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}

/// How an event ends in this transaction.
#[derive(Debug, Clone)]
pub(super) struct Settled<'a> {
    pub event: &'a Event,
    pub payload: &'a str,
    pub status: &'static str,
    pub error: Option<String>,
    pub awaiting: Option<String>,
    pub order: Option<(Uuid, Uuid)>,
}

/// Stores the events with what became of them: each row is written once, where the event is new. What another
/// transaction has dealt with for good meanwhile stays as it is.
pub(super) async fn settle(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    settled: &[Settled<'_>],
) -> sqlx::Result<()> {
    // In the order of their ids: who else stores one of them waits for this transaction, and never for each other.
    sqlx::query(
        "INSERT INTO webhook_events AS e
             (id, provider, provider_event_id, type, payload, status, attempts, last_error, awaiting_ref, tenant_id,
              order_id, received_at, processed_at)
         SELECT new.id, 'STRIPE', new.provider_event_id, new.type, new.payload::json, new.status, 1, new.error,
                new.awaiting, new.tenant_id, new.order_id, $10, CASE WHEN new.status = 'PENDING' THEN NULL ELSE $10 END
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
                     $9::uuid[])
              AS new (id, provider_event_id, type, payload, status, error, awaiting, tenant_id, order_id)
         ORDER BY new.provider_event_id
         ON CONFLICT (provider, provider_event_id) DO UPDATE
         SET status = excluded.status, attempts = e.attempts + 1, last_error = excluded.last_error,
             awaiting_ref = excluded.awaiting_ref, tenant_id = coalesce(excluded.tenant_id, e.tenant_id),
             order_id = coalesce(excluded.order_id, e.order_id), processed_at = excluded.processed_at
         WHERE e.status IN ('PENDING', 'FAILED') OR (e.status = 'IGNORED' AND e.awaiting_ref IS NOT NULL)",
    )
    .bind(settled.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.event.id.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.event.kind.as_str()).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.payload).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.status).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.error.as_deref()).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.awaiting.as_deref()).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.order.map(|(tenant_id, _)| tenant_id)).collect::<Vec<_>>())
    .bind(settled.iter().map(|event| event.order.map(|(_, order_id)| order_id)).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes on a stored event that working on it failed, where another try can help. Stores it first if need be.
pub(super) async fn note_failure(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    event: &Event,
    payload: &str,
    error: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO webhook_events AS e
             (id, provider, provider_event_id, type, payload, status, attempts, last_error, received_at)
         VALUES ($1, 'STRIPE', $2, $3, $4::json, 'PENDING', 1, $5, $6)
         ON CONFLICT (provider, provider_event_id) DO UPDATE
         SET attempts = e.attempts + 1, last_error = excluded.last_error
         WHERE e.status = 'PENDING'",
    )
    .bind(random::row_id(now))
    .bind(&event.id)
    .bind(&event.kind)
    .bind(payload)
    .bind(error)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn list(
    connection: &mut PgConnection,
    filter: &EventFilter,
    at_most: i64,
) -> sqlx::Result<Vec<EventRecord>> {
    sqlx::query_as(
        "SELECT e.provider_event_id, e.type, e.status, e.attempts, e.last_error, e.awaiting_ref AS awaiting,
                t.slug AS tenant, e.order_id, e.received_at, e.processed_at
         FROM webhook_events e LEFT JOIN tenants t ON t.id = e.tenant_id
         WHERE ($1::text IS NULL OR e.status = $1)
           AND ($2::uuid IS NULL OR e.tenant_id = $2)
           AND ($3::text IS NULL OR e.provider_event_id = $3)
         ORDER BY e.received_at DESC, e.id DESC
         LIMIT $4",
    )
    .bind(&filter.status)
    .bind(filter.tenant_id)
    .bind(&filter.provider_event_id)
    .bind(at_most)
    .fetch_all(connection)
    .await
}

pub(super) async fn known_ids(connection: &mut PgConnection, ids: &[String]) -> sqlx::Result<Vec<String>> {
    let query = sqlx::query_scalar(
        "SELECT provider_event_id FROM webhook_events WHERE provider = 'STRIPE' AND provider_event_id = ANY ($1)",
    );
    query.bind(ids).fetch_all(connection).await
}

pub(super) async fn failed_ids(connection: &mut PgConnection, at_most: i64) -> sqlx::Result<Vec<String>> {
    let query = sqlx::query_scalar(
        "SELECT provider_event_id FROM webhook_events WHERE status = 'FAILED' ORDER BY received_at, id LIMIT $1",
    );
    query.bind(at_most).fetch_all(connection).await
}

/// Gives up events that have waited since before `since`, at most `limit`, and tells how many.
pub(super) async fn give_up_waiting(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<u64> {
    let given_up = sqlx::query(
        "UPDATE webhook_events SET status = 'FAILED', last_error = $4, awaiting_ref = NULL, processed_at = $1
         WHERE id IN (SELECT id FROM webhook_events
                      WHERE status = 'PENDING' AND awaiting_ref IS NOT NULL AND received_at <= $2
                      ORDER BY received_at LIMIT $3 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now)
    .bind(since)
    .bind(limit)
    .bind("no payment came that it belongs to")
    .execute(connection)
    .await?;
    Ok(given_up.rows_affected())
}

pub(super) async fn count_failed(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM webhook_events WHERE status = 'FAILED'")
        .fetch_one(connection)
        .await
}
