//! Claims on keys, and what becomes of them.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::tenancy::TenantScope;

/// How long a claim is held against a process that may still be at work on it.
pub(super) const CLAIM_LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// A request's claim on its key. `Debug` keeps the key to itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyClaim {
    /// `user:<id>` or `address:<client address>`.
    pub owner: String,
    /// 1 to 255 visible ASCII characters.
    pub key: String,
    /// Of the method, the path and the meaning of the body.
    pub request_hash: [u8; 32],
}

impl std::fmt::Debug for IdempotencyClaim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("IdempotencyClaim(…)")
    }
}

/// Names a claim that this request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldClaim {
    pub id: Uuid,
    pub locked_until: DateTime<Utc>,
}

/// An answer as it was given the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedAnswer {
    pub status: u16,
    pub body: String,
}

/// Why a key did not let its request through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Answered before: the same again.
    Replay(SavedAnswer),
    /// The first request with this key is still running.
    InProgress,
    /// The key came with another request before.
    Reused,
}

/// What became of one claim in a batch.
#[derive(Debug, Clone)]
pub enum Claimed {
    /// The key is new: do the work. The claim stands for the `resource` that was proposed.
    Fresh(HeldClaim),
    /// An earlier try got as far as making this order: go on from there.
    Resume(HeldClaim, Uuid),
    Refused(Refused),
}

/// One claim to be made: on behalf of which tenant, and the order it will stand for.
pub struct KeyedClaim<'a> {
    pub scope: TenantScope,
    pub claim: &'a IdempotencyClaim,
    pub order_id: Option<Uuid>,
}
