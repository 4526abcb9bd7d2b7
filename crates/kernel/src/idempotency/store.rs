use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{HeldClaim, IdempotencyClaim, KeyedClaim, SavedAnswer};
use crate::database::tx::TenantTx;

pub(super) struct NewClaim<'a> {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub claim: &'a IdempotencyClaim,
    pub order_id: Option<Uuid>,
}

/// The row behind a key: the one just inserted, or an earlier one, now locked.
pub(super) struct FoundClaim {
    pub id: Uuid,
    pub inserted: bool,
    pub request_hash: [u8; 32],
    pub order_id: Option<Uuid>,
    pub locked_until: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub answer: Option<SavedAnswer>,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    owner: String,
    key: String,
    inserted: bool,
    request_hash: Vec<u8>,
    order_id: Option<Uuid>,
    locked_until: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    response_status: Option<i32>,
    response_body: Option<String>,
}

/// Inserts the new claims; where a key has a row already, locks and returns that row. `rows` are sorted by key.
pub(super) async fn insert_or_lock(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    locked_until: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    rows: &[NewClaim<'_>],
) -> sqlx::Result<HashMap<(Uuid, String, String), FoundClaim>> {
    let found: Vec<Row> = sqlx::query_as(
        "INSERT INTO idempotency_keys
            (tenant_id, id, owner, key, request_hash, order_id, locked_until, created_at, expires_at)
         SELECT new.tenant_id, new.id, new.owner, new.key, new.request_hash, new.order_id, $7, $8, $9
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::uuid[]) WITH ORDINALITY
              AS new (tenant_id, id, owner, key, request_hash, order_id, place)
         ORDER BY new.place
         -- Writes nothing new, but locks the row and returns it.
         ON CONFLICT (tenant_id, owner, key) DO UPDATE SET key = idempotency_keys.key
         RETURNING tenant_id, id, owner, key, id = ANY ($2) AS inserted, request_hash, order_id, locked_until,
                   expires_at, response_status, response_body",
    )
    .bind(rows.iter().map(|row| row.tenant_id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.claim.owner.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.claim.key.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.claim.request_hash.as_slice()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.order_id).collect::<Vec<_>>())
    .bind(locked_until)
    .bind(now)
    .bind(expires_at)
    .fetch_all(connection)
    .await?;
    found
        .into_iter()
        .map(|row| {
            let request_hash = row
                .request_hash
                .try_into()
                .map_err(|_| sqlx::Error::Decode("a request hash of 32 bytes".into()))?;
            let answer = match (row.response_status, row.response_body) {
                (Some(status), Some(body)) => {
                    let status =
                        u16::try_from(status).map_err(|_| sqlx::Error::Decode("an HTTP status".into()))?;
                    Some(SavedAnswer { status, body })
                }
                _ => None,
            };
            let claim = FoundClaim {
                id: row.id,
                inserted: row.inserted,
                request_hash,
                order_id: row.order_id,
                locked_until: row.locked_until,
                expires_at: row.expires_at,
                answer,
            };
            Ok(((row.tenant_id, row.owner, row.key), claim))
        })
        .collect()
}

/// Makes an expired or abandoned row this request's own. The row is locked by this transaction.
pub(super) async fn take_over(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    held: &HeldClaim,
    want: &KeyedClaim<'_>,
    order_id: Option<Uuid>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE idempotency_keys
         SET request_hash = $3, order_id = $4, locked_until = $5, response_status = NULL, response_body = NULL,
             created_at = CASE WHEN expires_at <= $6 THEN $6 ELSE created_at END,
             expires_at = CASE WHEN expires_at <= $6 THEN $7 ELSE expires_at END
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(want.scope.tenant_id())
    .bind(held.id)
    .bind(want.claim.request_hash.as_slice())
    .bind(order_id)
    .bind(held.locked_until)
    .bind(now)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Saves the answer of the request that holds the claim, in the transaction that finishes its work. Nothing is saved
/// if another request has taken the claim over: the later holder answers.
pub async fn save_answer(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    held: &HeldClaim,
    answer: &SavedAnswer,
) -> sqlx::Result<()> {
    save_answers(connection, &[(tenant_id, *held, answer.clone())]).await
}

/// The same for the requests of a batch, in one statement.
pub async fn save_answers(
    connection: &mut PgConnection,
    answers: &[(Uuid, HeldClaim, SavedAnswer)],
) -> sqlx::Result<()> {
    if answers.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE idempotency_keys AS saved SET response_status = new.status, response_body = new.body
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::integer[], $5::text[])
              AS new (tenant_id, id, locked_until, status, body)
         WHERE saved.tenant_id = new.tenant_id AND saved.id = new.id AND saved.locked_until = new.locked_until
           AND saved.response_status IS NULL",
    )
    .bind(answers.iter().map(|(tenant_id, ..)| *tenant_id).collect::<Vec<_>>())
    .bind(answers.iter().map(|(_, held, _)| held.id).collect::<Vec<_>>())
    .bind(answers.iter().map(|(_, held, _)| held.locked_until).collect::<Vec<_>>())
    .bind(answers.iter().map(|(.., answer)| i32::from(answer.status)).collect::<Vec<_>>())
    .bind(answers.iter().map(|(.., answer)| answer.body.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The same as [`release`], for a request that does not know whether it holds its key: of that request's claim,
/// whatever was made of it until `made_until`.
pub async fn release_unknown(
    tx: &mut TenantTx,
    claim: &IdempotencyClaim,
    made_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE idempotency_keys SET locked_until = $6
         WHERE tenant_id = $1 AND owner = $2 AND key = $3 AND request_hash = $4 AND response_status IS NULL
           AND locked_until > $6 AND locked_until <= $5",
    )
    .bind(tx.tenant_id())
    .bind(&claim.owner)
    .bind(&claim.key)
    .bind(claim.request_hash.as_slice())
    .bind(made_until + super::CLAIM_LIFETIME)
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Undoes claims that were made in this transaction, by their tenants and ids: the keys are free, as if they had not come.
pub async fn forget(connection: &mut PgConnection, claims: &[(Uuid, HeldClaim)]) -> sqlx::Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM idempotency_keys
         WHERE (tenant_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND response_status IS NULL",
    )
    .bind(claims.iter().map(|(tenant_id, _)| *tenant_id).collect::<Vec<_>>())
    .bind(claims.iter().map(|(_, held)| held.id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets the next request with this key go on at once: this one ended without an answer worth keeping.
pub async fn release(tx: &mut TenantTx, held: &HeldClaim, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE idempotency_keys SET locked_until = $4 WHERE tenant_id = $1 AND id = $2 AND locked_until = $3",
    )
    .bind(tx.tenant_id())
    .bind(held.id)
    .bind(held.locked_until)
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}
