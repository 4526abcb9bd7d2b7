use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::overview::Backlog;
use crate::database::tx::PlatformTx;
use crate::random;

/// A message to be written with the rows it tells of.
pub struct NewMessage {
    pub tenant_id: Uuid,
    /// What it is: `mail.…` for mails, `event.…` for domain events.
    pub topic: &'static str,
    pub payload: Value,
}

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
        "INSERT INTO outbox_messages (tenant_id, id, topic, payload, next_attempt_at, created_at)
         SELECT new.tenant_id, new.id, new.topic, new.payload, $5, $5
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[]) AS new (tenant_id, id, topic, payload)",
    )
    .bind(tenants)
    .bind(ids)
    .bind(topics)
    .bind(payloads)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A message whose time has come.
#[derive(sqlx::FromRow, Debug)]
pub(super) struct DueMessage {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub topic: String,
    pub payload: Value,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
}

/// Takes up to `limit` due messages until `leased_until`: no other process takes them before then.
pub(super) async fn lease_due(
    tx: &mut PlatformTx,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<DueMessage>> {
    sqlx::query_as(
        "UPDATE outbox_messages AS message
         SET next_attempt_at = $2, attempts = message.attempts + 1
         FROM (SELECT tenant_id, id FROM outbox_messages
               WHERE status = 'PENDING' AND next_attempt_at <= $1
               ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS due
         WHERE message.tenant_id = due.tenant_id AND message.id = due.id
         RETURNING message.tenant_id, message.id, message.topic, message.payload, message.attempts, message.created_at",
    )
    .bind(now)
    .bind(leased_until)
    .bind(limit)
    .fetch_all(tx.connection())
    .await
}

/// Undoes [`lease_due`] for messages that were not tried. Those that were settled meanwhile stay so.
pub(super) async fn give_back(
    tx: &mut PlatformTx,
    messages: &[DueMessage],
    leased_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) =
        messages.iter().map(|message| (message.tenant_id, message.id)).unzip();
    sqlx::query(
        "UPDATE outbox_messages AS message SET next_attempt_at = $4, attempts = message.attempts - 1
         FROM unnest($1::uuid[], $2::uuid[]) AS left_over (tenant_id, id)
         WHERE message.tenant_id = left_over.tenant_id AND message.id = left_over.id
           AND message.status = 'PENDING' AND message.next_attempt_at = $3",
    )
    .bind(tenants)
    .bind(ids)
    .bind(leased_until)
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

/// Sets the next attempt, or the message aside for good where `next_attempt_at` is none.
pub(super) async fn mark_failed(
    tx: &mut PlatformTx,
    tenant_id: Uuid,
    id: Uuid,
    error: &str,
    next_attempt_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox_messages
         SET last_error = $3, next_attempt_at = coalesce($4, next_attempt_at),
             status = CASE WHEN $4::timestamptz IS NULL THEN 'DEAD' ELSE 'PENDING' END
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(id)
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
