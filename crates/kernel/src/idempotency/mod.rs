//! Idempotency keys: a repeated request gets the first answer again (contract, "Common rules").
//!
//! The transaction of the work writes the claim on its key, and the transaction that finishes the work writes the
//! answer. A process that dies between the two leaves a claim that another process may take over after
//! [`CLAIM_LIFETIME`].

mod claims;
mod once;
mod saga;
mod store;

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::random;
use claims::CLAIM_LIFETIME;

pub use claims::{Claimed, HeldClaim, IdempotencyClaim, KeyedClaim, Refused, SavedAnswer};
pub use once::{Keyed, KeyedItem, Once, OnceDone, OnceError, Render};
pub use saga::{Claims, Held, NotPlaced, Saga, run};
pub use store::{forget, release, release_unknown, save_answer, save_answers};

/// How long an answer is kept.
const ANSWER_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Claims all keys in the caller's transaction, in a sorted order. Of two equal ones in one batch the first wins.
pub async fn claim(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    wanted: &[KeyedClaim<'_>],
) -> sqlx::Result<Vec<Claimed>> {
    let locked_until = now + CLAIM_LIFETIME;
    // The first of equal keys stands for all of them in the statement.
    let mut first_of: HashMap<(Uuid, &str, &str), usize> = HashMap::new();
    for (at, want) in wanted.iter().enumerate() {
        first_of.entry((want.scope.tenant_id(), &want.claim.owner, &want.claim.key)).or_insert(at);
    }
    let mut firsts: Vec<usize> = first_of.values().copied().collect();
    firsts.sort_unstable_by_key(|at| {
        let want = &wanted[*at];
        (want.scope.tenant_id(), &want.claim.owner, &want.claim.key)
    });
    let rows: Vec<store::NewClaim<'_>> = firsts
        .iter()
        .map(|at| store::NewClaim {
            tenant_id: wanted[*at].scope.tenant_id(),
            id: random::row_id(now),
            claim: wanted[*at].claim,
            order_id: wanted[*at].order_id,
        })
        .collect();
    let found = store::insert_or_lock(connection, now, locked_until, now + ANSWER_LIFETIME, &rows).await?;
    let mut claims = Vec::with_capacity(wanted.len());
    for (at, want) in wanted.iter().enumerate() {
        let key = (want.scope.tenant_id(), want.claim.owner.as_str(), want.claim.key.as_str());
        let Some(row) = found.get(&(key.0, key.1.to_owned(), key.2.to_owned())) else {
            return Err(sqlx::Error::RowNotFound);
        };
        let is_first = first_of.get(&key) == Some(&at);
        claims.push(settle(row, want, is_first, now, locked_until));
    }
    // Expired rows start again; unfinished ones whose holder is gone are taken over.
    for (at, claimed) in claims.iter().enumerate() {
        let (Claimed::Fresh(held) | Claimed::Resume(held, _)) = claimed else { continue };
        let want = &wanted[at];
        let key = (want.scope.tenant_id(), want.claim.owner.clone(), want.claim.key.clone());
        if found.get(&key).is_some_and(|row| !row.inserted) {
            let order_id =
                if let Claimed::Resume(_, order_id) = claimed { Some(*order_id) } else { want.order_id };
            store::take_over(connection, now, held, want, order_id, now + ANSWER_LIFETIME).await?;
        }
    }
    Ok(claims)
}

fn settle(
    row: &store::FoundClaim,
    want: &KeyedClaim<'_>,
    is_first: bool,
    now: DateTime<Utc>,
    locked_until: DateTime<Utc>,
) -> Claimed {
    let held = HeldClaim { id: row.id, locked_until };
    let same_request = row.request_hash == want.claim.request_hash;
    if !is_first {
        // Its twin in this batch holds the claim, or gets the same refusal.
        if !same_request && (row.inserted || row.expires_at > now) {
            return Claimed::Refused(Refused::Reused);
        }
        if let (false, Some(answer)) = (row.inserted || row.expires_at <= now, &row.answer) {
            return Claimed::Refused(Refused::Replay(answer.clone()));
        }
        return Claimed::Refused(Refused::InProgress);
    }
    if row.inserted || row.expires_at <= now {
        return Claimed::Fresh(held);
    }
    if !same_request {
        return Claimed::Refused(Refused::Reused);
    }
    match (&row.answer, row.order_id) {
        (Some(answer), _) => Claimed::Refused(Refused::Replay(answer.clone())),
        (None, _) if row.locked_until > now => Claimed::Refused(Refused::InProgress),
        (None, Some(order_id)) => Claimed::Resume(held, order_id),
        (None, None) => Claimed::Fresh(held),
    }
}
