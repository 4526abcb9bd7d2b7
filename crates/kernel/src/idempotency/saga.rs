//! Work that leaves the transaction: placed in a batch, done outside, attached in a batch.
//!
//! [`run`] takes the three steps of a [`Saga`] and settles the key of its request. A crash or a failure between two
//! steps loses nothing: what was placed is found again by the key, and a repeated request goes on from there. The
//! answer is saved by the transaction that attaches, so a key has an answer only if everything is done.

use std::future::Future;
use std::time::Duration;

use super::{HeldClaim, IdempotencyClaim, OnceDone, OnceError, Refused, SavedAnswer};
use super::{release, release_unknown, save_answer};
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::tenancy::TenantScope;

/// After so many seconds a claim that nobody freed is free by itself.
const CLAIM_SECONDS: u32 = 60;

/// The three steps. Each may be taken again by a repeated request.
pub trait Saga {
    type Placed;
    /// What was made outside.
    type Made;
    type Done;
    type Error: From<Fault>;

    /// Writes what is to be, in one transaction with the claim on the request's key; or finds what an earlier request
    /// with this key has placed.
    fn place(&mut self) -> impl Future<Output = Result<Held<Self::Placed>, NotPlaced<Self::Error>>>;

    /// Asks a service outside. Holds no transaction. A repeat with the same `placed` must not do it twice.
    fn act(&mut self, placed: &Self::Placed) -> impl Future<Output = Result<Self::Made, Self::Error>>;

    /// Writes what was made, and the answer under the claim, in one transaction.
    fn attach(
        &mut self,
        placed: Self::Placed,
        made: Self::Made,
        claim: Option<HeldClaim>,
    ) -> impl Future<Output = Result<Self::Done, Self::Error>>;
}

/// Something, with the claim that its request holds.
#[derive(Debug)]
pub struct Held<T> {
    pub it: T,
    pub claim: Option<HeldClaim>,
}

/// Why nothing was placed.
#[derive(Debug)]
pub enum NotPlaced<E> {
    /// By the key.
    Key(Refused),
    /// By the work. No claim is left.
    Refused(E),
    /// By the work. The claim holds: its answer is to be saved, or, without one, the key is to be free again.
    Settle { error: E, claim: HeldClaim, answer: Option<SavedAnswer> },
    /// We could not confirm whether anything was placed.
    Unknown,
}

/// Takes the steps of `saga`, whose request came with `key`.
///
/// # Errors
///
/// [`OnceError::Refused`] with the error of a step; the key is then free, unless the error is its saved answer.
pub async fn run<S: Saga>(
    mut saga: S,
    claims: Claims,
    key: Option<IdempotencyClaim>,
) -> Result<OnceDone<S::Done>, OnceError<S::Error>> {
    let Held { it: placed, claim } = match saga.place().await {
        Ok(held) => held,
        Err(NotPlaced::Key(Refused::Replay(answer))) => return Ok(OnceDone::Replayed(answer)),
        Err(NotPlaced::Key(Refused::InProgress)) => return Err(OnceError::InProgress),
        Err(NotPlaced::Key(Refused::Reused)) => return Err(OnceError::Reused),
        Err(NotPlaced::Refused(error)) => return Err(OnceError::Refused(error)),
        Err(NotPlaced::Settle { error, claim, answer }) => {
            claims.settle(claim, answer).await?;
            return Err(OnceError::Refused(error));
        }
        Err(NotPlaced::Unknown) => {
            claims.abandon_when_possible(key);
            return Err(Fault::OutcomeUnknown.into());
        }
    };
    let done = match saga.act(&placed).await {
        Ok(made) => saga.attach(placed, made, claim).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(done) => Ok(OnceDone::Done(done)),
        Err(error) => {
            claims.free_when_possible(claim).await;
            Err(OnceError::Refused(error))
        }
    }
}

/// Settles the claims of one tenant's requests. Cheap to clone.
#[derive(Clone)]
pub struct Claims {
    pub database: Database,
    pub clock: SharedClock,
    pub scope: TenantScope,
}

impl Claims {
    /// Saves the answer for the request's key, or frees the key for another try.
    async fn settle(&self, claim: HeldClaim, answer: Option<SavedAnswer>) -> Result<(), Fault> {
        let now = self.clock.now();
        self.database
            .write(&self.scope, async |tx| {
                match &answer {
                    Some(answer) => {
                        let tenant_id = tx.tenant_id();
                        save_answer(tx.connection(), tenant_id, &claim, answer).await?;
                    }
                    None => release(tx, &claim, now).await?,
                }
                Ok(Ok(()))
            })
            .await
    }

    /// Frees the key of a request that has ended without an answer to save: the next one with it need not wait until this
    /// one counts as dead. If the answer was saved after all, that one gets it. What failed may have been the database, so
    /// it is tried until the claim would have run out by itself.
    async fn free_when_possible(self, claim: Option<HeldClaim>) {
        let Some(claim) = claim else { return };
        if self.settle(claim, None).await.is_ok() {
            return;
        }
        actix::spawn(async move {
            for _ in 0..CLAIM_SECONDS {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if self.settle(claim, None).await.is_ok() {
                    return;
                }
            }
        });
    }

    /// The same for a request that does not know whether it has its key: the database was gone, so whether anything was
    /// placed could not be found out.
    fn abandon_when_possible(self, key: Option<IdempotencyClaim>) {
        let Some(key) = key else { return };
        let at = self.clock.now();
        actix::spawn(async move {
            for _ in 0..CLAIM_SECONDS {
                let now = self.clock.now();
                let abandoned = self
                    .database
                    .write(&self.scope, async |tx| {
                        release_unknown(tx, &key, at, now).await?;
                        Ok::<_, sqlx::Error>(Ok::<_, Fault>(()))
                    })
                    .await;
                if abandoned.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}
