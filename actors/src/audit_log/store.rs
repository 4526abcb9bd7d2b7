//! The SQL of the audit log.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::entry::{Entry, Stored};
use crate::database::tx::TenantTx;
use crate::random;

/// Writes entries in the caller's transaction, in one statement. Their tenants are opened.
pub(crate) async fn record(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    entries: &[Entry],
) -> sqlx::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let count = entries.len();
    let (mut tenants, mut ids, mut hashes) =
        (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut actors, mut requests, mut actions) =
        (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut subjects, mut befores, mut afters) =
        (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
    for entry in entries {
        let id = random::row_id(now);
        let actor = entry.actor.to_string();
        let subject = entry.subject.map(|subject| subject.to_string());
        let (before, after) =
            (entry.before.as_ref().map(ToString::to_string), entry.after.as_ref().map(ToString::to_string));
        let stored = Stored {
            tenant_id: entry.tenant_id,
            id,
            at: now,
            actor: &actor,
            request_id: entry.request_id.as_deref(),
            action: entry.action,
            subject: subject.as_deref(),
            before: before.as_deref(),
            after: after.as_deref(),
        };
        hashes.push(stored.hash().to_vec());
        tenants.push(entry.tenant_id);
        ids.push(id);
        actors.push(actor);
        requests.push(entry.request_id.as_deref());
        actions.push(entry.action);
        subjects.push(subject);
        befores.push(before);
        afters.push(after);
    }
    sqlx::query(
        "WITH new AS (
             SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                                  $9::text[], $10::bytea[])
                 AS new (tenant_id, id, actor, request_id, action, subject, before, after, hash)
         ), logged AS (
             INSERT INTO audit_log (tenant_id, id, at, actor, request_id, action, subject, before, after, hash)
             SELECT tenant_id, id, $1, actor, request_id, action, subject, before::json, after::json, hash FROM new
         )
         INSERT INTO audit_unsealed (tenant_id, entry_id) SELECT tenant_id, id FROM new",
    )
    .bind(now)
    .bind(tenants)
    .bind(ids)
    .bind(actors)
    .bind(requests)
    .bind(actions)
    .bind(subjects)
    .bind(befores)
    .bind(afters)
    .bind(hashes)
    .execute(connection)
    .await?;
    Ok(())
}

/// The tenants that have entries in no chain yet.
pub(super) async fn unsealed_tenants(connection: &mut PgConnection) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar("SELECT DISTINCT tenant_id FROM audit_unsealed").fetch_all(connection).await
}

/// Takes the right to extend the tenant's chain until the transaction ends. False where another process has it.
pub(super) async fn take_chain(tx: &mut TenantTx) -> sqlx::Result<bool> {
    let tenant_id = tx.tenant_id().to_string();
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended('audit chain of ' || $1, 0))")
        .bind(tenant_id)
        .fetch_one(tx.connection())
        .await
}

/// The last link: its position and hash.
pub(super) async fn last_link(tx: &mut TenantTx) -> sqlx::Result<Option<(i64, Vec<u8>)>> {
    let query = sqlx::query_as(
        "SELECT position, hash FROM audit_chain WHERE tenant_id = $1 ORDER BY position DESC LIMIT 1",
    );
    query.bind(tx.tenant_id()).fetch_optional(tx.connection()).await
}

/// Takes up to `limit` entries out of the waiting ones, the oldest first, with their hashes. One whose row is gone has
/// none: it stays, for `verify` to find.
pub(super) async fn take_unsealed(tx: &mut TenantTx, limit: i64) -> sqlx::Result<Vec<(Uuid, Vec<u8>)>> {
    let mut taken: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "WITH next AS (
             SELECT u.entry_id, l.hash
             FROM audit_unsealed u JOIN audit_log l ON l.tenant_id = u.tenant_id AND l.id = u.entry_id
             WHERE u.tenant_id = $1 ORDER BY u.entry_id LIMIT $2
         )
         DELETE FROM audit_unsealed u USING next
         WHERE u.tenant_id = $1 AND u.entry_id = next.entry_id
         RETURNING next.entry_id, next.hash",
    )
    .bind(tx.tenant_id())
    .bind(limit)
    .fetch_all(tx.connection())
    .await?;
    taken.sort_unstable_by_key(|(id, _)| *id);
    Ok(taken)
}

pub(super) async fn insert_links(
    tx: &mut TenantTx,
    first_position: i64,
    entries: &[Uuid],
    hashes: &[Vec<u8>],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO audit_chain (tenant_id, position, entry_id, hash)
         SELECT $1, $2 + new.place - 1, new.entry_id, new.hash
         FROM unnest($3::uuid[], $4::bytea[]) WITH ORDINALITY AS new (entry_id, hash, place)",
    )
    .bind(tx.tenant_id())
    .bind(first_position)
    .bind(entries)
    .bind(hashes)
    .execute(tx.connection())
    .await?;
    Ok(())
}
