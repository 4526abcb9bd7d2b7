//! The SQL of the audit log.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::entry::{Entry, Stored};
use crate::random;

/// Writes entries in the caller's transaction, in one statement. Their tenants are opened.
pub async fn record(
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

/// Takes the right to extend the chains of those tenants where no other process has it, until the transaction ends.
/// Gives the transaction's id, and those tenants.
pub(super) async fn take_chains(
    connection: &mut PgConnection,
    tenants: &[Uuid],
) -> sqlx::Result<(String, Vec<Uuid>)> {
    sqlx::query_as(
        "SELECT pg_current_xact_id()::text, ARRAY(
             SELECT tenant_id FROM unnest($1::uuid[]) AS wanted (tenant_id)
             WHERE pg_try_advisory_xact_lock(hashtextextended('audit chain of ' || tenant_id, 0)))",
    )
    .bind(tenants)
    .fetch_one(connection)
    .await
}

/// An entry that is in no chain yet, with the last link of its tenant's.
#[derive(sqlx::FromRow)]
pub(super) struct Unsealed {
    pub tenant_id: Uuid,
    pub entry_id: Uuid,
    pub hash: Vec<u8>,
    pub last_position: Option<i64>,
    pub last_hash: Option<Vec<u8>>,
}

/// Up to `at_most` entries of each tenant, tenant by tenant, the oldest first. One whose row is gone is left out: it
/// stays unsealed, for `verify` to find.
pub(super) async fn unsealed(
    connection: &mut PgConnection,
    tenants: &[Uuid],
    at_most: i64,
) -> sqlx::Result<Vec<Unsealed>> {
    // OFFSET 0: from the few that wait to their entries, never from all entries to those that wait.
    sqlx::query_as(
        "SELECT wanted.tenant_id, next.entry_id, next.hash, last.position AS last_position, last.hash AS last_hash
         FROM unnest($1::uuid[]) AS wanted (tenant_id)
         LEFT JOIN LATERAL (
             SELECT c.position, c.hash FROM audit_chain c
             WHERE c.tenant_id = wanted.tenant_id ORDER BY c.position DESC LIMIT 1
         ) AS last ON true
         CROSS JOIN LATERAL (
             SELECT u.entry_id, entry.hash
             FROM audit_unsealed u
             CROSS JOIN LATERAL (
                 SELECT l.hash FROM audit_log l WHERE l.tenant_id = u.tenant_id AND l.id = u.entry_id OFFSET 0
             ) AS entry
             WHERE u.tenant_id = wanted.tenant_id ORDER BY u.entry_id LIMIT $2
         ) AS next
         ORDER BY wanted.tenant_id, next.entry_id",
    )
    .bind(tenants)
    .bind(at_most)
    .fetch_all(connection)
    .await
}

/// A link of a tenant's chain.
pub(super) struct Link {
    pub tenant_id: Uuid,
    pub position: i64,
    pub entry_id: Uuid,
    pub hash: Vec<u8>,
}

/// Writes the links, and takes their entries out of those that wait.
pub(super) async fn seal(connection: &mut PgConnection, links: &[Link]) -> sqlx::Result<()> {
    // The waiting entries are now none and now many: whatever their number was when this was planned, each is to be
    // found by its key, not each key among all of them. OFFSET 0 leaves no other way.
    sqlx::query(
        "WITH linked AS (
             INSERT INTO audit_chain (tenant_id, position, entry_id, hash)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[])
         )
         DELETE FROM audit_unsealed WHERE ctid = ANY (ARRAY(
             SELECT waiting.ctid FROM unnest($1::uuid[], $3::uuid[]) AS sealed (tenant_id, entry_id)
             CROSS JOIN LATERAL (
                 SELECT u.ctid FROM audit_unsealed u
                 WHERE u.tenant_id = sealed.tenant_id AND u.entry_id = sealed.entry_id OFFSET 0
             ) AS waiting))",
    )
    .bind(links.iter().map(|link| link.tenant_id).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.position).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.entry_id).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.hash.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
