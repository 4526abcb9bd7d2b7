//! The SQL of the outbox.
//!
//! The table is now empty and now long. So the statements that take messages are planned each time: a plan that was made
//! while it was short, and kept, would read every pending message of a tenant.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::message::NewMessage;
use super::overview::Backlog;
use super::turns::{Queue, STEPS, Share};
use crate::database::tx::PlatformTx;
use crate::random;

/// Writes `messages` in the caller's transaction.
pub async fn enqueue(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    messages: &[NewMessage],
) -> sqlx::Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = messages.iter().map(|_| random::row_id(now)).collect();
    let tenants: Vec<Uuid> = messages.iter().map(|message| message.tenant_id).collect();
    let topics: Vec<&str> = messages.iter().map(|message| message.topic).collect();
    let payloads: Vec<Value> = messages.iter().map(|message| message.payload.clone()).collect();
    sqlx::query(
        "INSERT INTO outbox_messages
             (tenant_id, id, topic, payload, sort, urgent, subject, next_attempt_at, created_at)
         SELECT new.tenant_id, new.id, new.topic, new.payload, new.sort, new.urgent, new.subject, $8, $8
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::text[], $6::boolean[], $7::text[])
              WITH ORDINALITY AS new (tenant_id, id, topic, payload, sort, urgent, subject, place)
         ORDER BY new.place",
    )
    .bind(tenants)
    .bind(ids)
    .bind(topics)
    .bind(payloads)
    .bind(messages.iter().map(|message| message.sort.name).collect::<Vec<_>>())
    .bind(messages.iter().map(|message| message.sort.urgent).collect::<Vec<_>>())
    .bind(messages.iter().map(NewMessage::stored_subject).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A message that was taken to be delivered.
#[derive(sqlx::FromRow, Debug, Clone)]
pub(super) struct DueMessage {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub topic: String,
    pub payload: Value,
    pub urgent: bool,
    pub subject: Option<String>,
    pub sequence: Option<i64>,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
}

/// A message that this process delivers, and until when nobody else takes it.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub message: DueMessage,
    pub until: DateTime<Utc>,
}

/// A message that waits for an earlier one of its subject is looked at again after this at the latest …
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(30);
/// … and after this at the earliest, unless [`release_next`] calls it.
const SHORTEST_WAIT: TimeDelta = TimeDelta::seconds(5);

/// Of each sort, up to [`STEPS`] queues after its cursor. Each costs one look at the index, however long it is.
pub(super) async fn walk(
    tx: &mut PlatformTx,
    now: DateTime<Utc>,
    (sorts, tenants): (Vec<String>, Vec<Uuid>),
) -> sqlx::Result<Vec<Queue>> {
    sqlx::query_as(
        "WITH RECURSIVE sorts AS (
             (SELECT m.sort FROM outbox_messages m WHERE m.status = 'PENDING' ORDER BY m.sort LIMIT 1)
             UNION ALL
             SELECT next.sort FROM sorts CROSS JOIN LATERAL (
                 SELECT m.sort FROM outbox_messages m
                 WHERE m.status = 'PENDING' AND m.sort > sorts.sort ORDER BY m.sort LIMIT 1) AS next
         ), queues AS (
             SELECT first.sort, first.tenant_id, first.urgent, first.next_attempt_at, 1 AS step
             FROM sorts
             LEFT JOIN unnest($2::text[], $3::uuid[]) AS cursors (sort, tenant_id) ON cursors.sort = sorts.sort
             CROSS JOIN LATERAL (
                 SELECT m.sort, m.tenant_id, m.urgent, m.next_attempt_at FROM outbox_messages m
                 WHERE m.status = 'PENDING' AND m.sort = sorts.sort
                   -- Not coalesce: row-level security keeps what is not known to be free of leaks from the index.
                   AND m.tenant_id > CASE WHEN cursors.tenant_id IS NULL THEN '00000000-0000-0000-0000-000000000000'
                                          ELSE cursors.tenant_id END
                 ORDER BY m.tenant_id, m.next_attempt_at LIMIT 1) AS first
             UNION ALL
             SELECT next.sort, next.tenant_id, next.urgent, next.next_attempt_at, queues.step + 1
             FROM queues CROSS JOIN LATERAL (
                 SELECT m.sort, m.tenant_id, m.urgent, m.next_attempt_at FROM outbox_messages m
                 WHERE m.status = 'PENDING' AND m.sort = queues.sort AND m.tenant_id > queues.tenant_id
                 ORDER BY m.tenant_id, m.next_attempt_at LIMIT 1) AS next
             WHERE queues.step < $4
         )
         SELECT sort, tenant_id, urgent, next_attempt_at <= $1 AS is_due FROM queues ORDER BY sort, step",
    )
    .persistent(false)
    .bind(now)
    .bind(sorts)
    .bind(tenants)
    .bind(STEPS as i32)
    .fetch_all(tx.connection())
    .await
}

/// Messages that this transaction has locked.
#[derive(sqlx::FromRow)]
pub(super) struct Locked {
    tenant_id: Uuid,
    id: Uuid,
    subject: Option<String>,
    sequence: Option<i64>,
}

/// Locks due messages, of each queue as many as its share, the longest due first. Those that another process has locked
/// are passed over.
pub(super) async fn lock_due(
    tx: &mut PlatformTx,
    now: DateTime<Utc>,
    shares: &[Share],
) -> sqlx::Result<Vec<Locked>> {
    sqlx::query_as(
        "SELECT message.tenant_id, message.id, message.subject, message.sequence
         FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS queues (sort, tenant_id, share)
         CROSS JOIN LATERAL (
             SELECT m.tenant_id, m.id, m.subject, m.sequence FROM outbox_messages m
             WHERE m.status = 'PENDING' AND m.sort = queues.sort AND m.tenant_id = queues.tenant_id
               AND m.next_attempt_at <= $4
             ORDER BY m.next_attempt_at LIMIT queues.share FOR UPDATE SKIP LOCKED) AS message",
    )
    .persistent(false)
    .bind(shares.iter().map(|share| share.sort.as_str()).collect::<Vec<_>>())
    .bind(shares.iter().map(|share| share.tenant_id).collect::<Vec<_>>())
    .bind(shares.iter().map(|share| share.messages as i64).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(tx.connection())
    .await
}

/// Takes locked messages until `leased_until`: no other process takes them before then. One that waits for an earlier
/// message of its subject is put off instead, and not given back.
///
/// Statements of their own, so that they see what was committed before the messages were locked: a message that they find
/// waiting is found by the [`release_next`] that comes after the earlier one's end.
pub(super) async fn lease(
    tx: &mut PlatformTx,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    locked: &[Locked],
) -> sqlx::Result<Vec<DueMessage>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        message: DueMessage,
        waits: bool,
    }
    let mut earlier = Vec::with_capacity(locked.len());
    for message in locked {
        earlier.push(earlier_of(tx, message).await?);
    }
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE outbox_messages AS message
         SET next_attempt_at = CASE WHEN taken.earlier_at IS NULL THEN $4
                                    ELSE greatest(least(taken.earlier_at, $5), $6) END,
             attempts = message.attempts + CASE WHEN taken.earlier_at IS NULL THEN 1 ELSE 0 END
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS taken (tenant_id, id, earlier_at)
         WHERE message.tenant_id = taken.tenant_id AND message.id = taken.id
         RETURNING message.tenant_id, message.id, message.topic, message.payload, message.urgent, message.subject,
                   message.sequence, message.attempts, message.created_at, taken.earlier_at IS NOT NULL AS waits",
    )
    .persistent(false)
    .bind(locked.iter().map(|message| message.tenant_id).collect::<Vec<_>>())
    .bind(locked.iter().map(|message| message.id).collect::<Vec<_>>())
    .bind(earlier)
    .bind(leased_until)
    .bind(now + LONGEST_WAIT)
    .bind(now + SHORTEST_WAIT)
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().filter(|row| !row.waits).map(|row| row.message).collect())
}

/// When the first message is due that comes before this one of the same subject. One look at the index of subjects for
/// each. Tenant and status are asked for in a way that no other index serves: PostgreSQL would go by the tenant, or through
/// all pending messages, if its statistics are of a time when there were few.
async fn earlier_of(tx: &mut PlatformTx, message: &Locked) -> sqlx::Result<Option<DateTime<Utc>>> {
    let (Some(subject), Some(sequence)) = (&message.subject, message.sequence) else { return Ok(None) };
    sqlx::query_scalar(
        "SELECT m.next_attempt_at FROM outbox_messages m
         WHERE m.sent_at IS NULL AND m.subject = $2 AND m.sequence < $3
           AND m.status <> 'DEAD' AND m.tenant_id IS NOT DISTINCT FROM $1
         ORDER BY m.sequence LIMIT 1",
    )
    .persistent(false)
    .bind(message.tenant_id)
    .bind(subject)
    .bind(sequence)
    .fetch_optional(tx.connection())
    .await
}

/// Makes the next message of a subject due, if it waits for the one with this `sequence`. To be called in a transaction
/// that begins after that one's end was committed. Should it be missed, the next one is due within [`LONGEST_WAIT`].
pub(super) async fn release_next(
    tx: &mut PlatformTx,
    tenant_id: Uuid,
    subject: &str,
    sequence: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox_messages AS message SET next_attempt_at = least(message.next_attempt_at, $4)
         FROM (SELECT m.tenant_id, m.id FROM outbox_messages m
               -- See `earlier_of`.
               WHERE m.sent_at IS NULL AND m.subject = $2 AND m.sequence > $3
                 AND m.status <> 'DEAD' AND m.tenant_id IS NOT DISTINCT FROM $1
               ORDER BY m.sequence LIMIT 1) AS next
         WHERE message.tenant_id = next.tenant_id AND message.id = next.id
           -- One that was tried before keeps the time of its next try, or its lease. The time is asked of none: one that
           -- another process is putting off at this moment is waited for, and until then it still looks due.
           AND message.attempts = 0",
    )
    .persistent(false)
    .bind(tenant_id)
    .bind(subject)
    .bind(sequence)
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Undoes [`lease`] for messages whose delivery was not finished. Those that were settled meanwhile stay so.
pub(super) async fn give_back(tx: &mut PlatformTx, leases: &[Lease], now: DateTime<Utc>) -> sqlx::Result<()> {
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) =
        leases.iter().map(|lease| (lease.message.tenant_id, lease.message.id)).unzip();
    sqlx::query(
        "UPDATE outbox_messages AS message SET next_attempt_at = $4, attempts = message.attempts - 1
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS left_over (tenant_id, id, leased_until)
         WHERE message.tenant_id = left_over.tenant_id AND message.id = left_over.id
           AND message.status = 'PENDING' AND message.next_attempt_at = left_over.leased_until",
    )
    .bind(tenants)
    .bind(ids)
    .bind(leases.iter().map(|lease| lease.until).collect::<Vec<_>>())
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}

pub(super) async fn mark_sent(
    tx: &mut PlatformTx,
    tenant_id: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox_messages SET status = 'SENT', sent_at = $3, last_error = NULL WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(id)
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Sets the next attempt, or the message aside for good where `next_attempt_at` is none. Does nothing where the lease has
/// passed to another process meanwhile: that one's outcome counts.
pub(super) async fn mark_failed(
    tx: &mut PlatformTx,
    lease: &Lease,
    error: &str,
    next_attempt_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox_messages
         SET last_error = $4, next_attempt_at = coalesce($5, next_attempt_at),
             status = CASE WHEN $5::timestamptz IS NULL THEN 'DEAD' ELSE 'PENDING' END
         WHERE tenant_id = $1 AND id = $2 AND status = 'PENDING' AND next_attempt_at = $3",
    )
    .bind(lease.message.tenant_id)
    .bind(lease.message.id)
    .bind(lease.until)
    .bind(error)
    .bind(next_attempt_at)
    .execute(tx.connection())
    .await?;
    Ok(())
}

pub(super) async fn backlog(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Backlog> {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM outbox_messages WHERE status = 'DEAD') AS dead,
                count(*) AS due, min(next_attempt_at) AS due_since
         FROM outbox_messages WHERE status = 'PENDING' AND next_attempt_at <= $1",
    )
    .bind(now)
    .fetch_one(connection)
    .await
}
