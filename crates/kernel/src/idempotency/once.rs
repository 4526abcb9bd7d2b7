//! A batch of requests that may be repeated: each with its key, done once, and answered the same each time.
//!
//! [`Once`] wraps a [`Batch`]. It claims the keys of a batch, lets the wrapped batch do what is new, and saves all answers
//! in one statement, all in one transaction. So a key decides before anything that may have changed since its first
//! request: the wrapped batch never sees a request that was answered.

use std::collections::HashMap;

use super::{Claimed, HeldClaim, IdempotencyClaim, KeyedClaim, Refused, SavedAnswer, claim, save_answers};
use crate::batch::{Batch, Reply};
use crate::clock::SharedClock;
use crate::database::BatchTx;
use crate::fault::Fault;
use crate::tenancy::TenantScope;

/// How a reply is answered, made by who answers: its status and body are opaque here. None: an answer that is not
/// saved, so that the key may be tried again.
pub type Render<D, E> = Box<dyn Fn(&Result<D, E>) -> Result<Option<SavedAnswer>, Fault> + Send>;

/// A request, with its key if it has one.
pub struct Keyed<I, D, E> {
    pub scope: TenantScope,
    pub item: I,
    pub key: Option<(IdempotencyClaim, Render<D, E>)>,
}

impl<I, D, E> actix::Message for Keyed<I, D, E>
where
    D: 'static,
    E: 'static,
{
    type Result = Result<OnceDone<D>, OnceError<E>>;
}

/// The request of a batch that is wrapped in [`Once`].
pub type KeyedItem<B> = Keyed<<B as Batch>::Item, <B as Batch>::Done, <B as Batch>::Error>;

/// What was done.
#[derive(Debug)]
pub enum OnceDone<D> {
    /// Now.
    Done(D),
    /// Before: the first answer.
    Replayed(SavedAnswer),
}

/// Why nothing was done.
#[derive(Debug)]
pub enum OnceError<E> {
    /// By the request's own work.
    Refused(E),
    /// The first request with this key is still running.
    InProgress,
    /// The key came with another request before.
    Reused,
}

impl<E: From<Fault>> From<Fault> for OnceError<E> {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

/// Does the work of `B` once for each key.
pub struct Once<B> {
    pub work: B,
    pub clock: SharedClock,
}

impl<B> Batch for Once<B>
where
    B: Batch,
    B::Item: Clone,
{
    type Item = KeyedItem<B>;
    type Done = OnceDone<B::Done>;
    type Error = OnceError<B::Error>;
    const NAME: &'static str = B::NAME;

    async fn run(&self, tx: &mut BatchTx, requests: &[Self::Item]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        tx.open_tenants_to_write(requests.iter().map(|request| request.scope.tenant_id())).await?;
        let mut claims = claims_of(tx, now, requests).await?;
        let mut replies: Vec<Option<Reply<Self>>> = Vec::with_capacity(requests.len());
        let mut work = Vec::with_capacity(requests.len());
        for at in 0..requests.len() {
            replies.push(match claims.get(&at) {
                Some(Claimed::Refused(Refused::Replay(answer))) => {
                    Some(Ok(OnceDone::Replayed(answer.clone())))
                }
                Some(Claimed::Refused(Refused::InProgress)) => Some(Err(OnceError::InProgress)),
                Some(Claimed::Refused(Refused::Reused)) => Some(Err(OnceError::Reused)),
                // Work and answer are written together: a claim without an answer has done nothing yet.
                Some(Claimed::Fresh(_) | Claimed::Resume(..)) | None => {
                    work.push(at);
                    None
                }
            });
        }
        if !work.is_empty() {
            let items: Vec<B::Item> = work.iter().map(|at| requests[*at].item.clone()).collect();
            let done = self.work.run(tx, &items).await?;
            if done.len() != work.len() {
                return Err(sqlx::Error::Protocol(
                    "a batch gave another number of replies than it had items".into(),
                ));
            }
            let mut answers = Vec::new();
            for (at, reply) in work.into_iter().zip(done) {
                if let (Some(held), Some((_, render))) = (held(claims.remove(&at)), &requests[at].key)
                    && let Some(answer) = render(&reply).map_err(|fault| sqlx::Error::Encode(fault.into()))?
                {
                    answers.push((requests[at].scope.tenant_id(), held, answer));
                }
                replies[at] = Some(reply.map(OnceDone::Done).map_err(OnceError::Refused));
            }
            save_answers(tx.connection(), &answers).await?;
        }
        let unanswered = || Err(Fault::internal("a request without a reply").into());
        Ok(replies.into_iter().map(|reply| reply.unwrap_or_else(unanswered)).collect())
    }
}

fn held(claimed: Option<Claimed>) -> Option<HeldClaim> {
    match claimed {
        Some(Claimed::Fresh(held) | Claimed::Resume(held, _)) => Some(held),
        Some(Claimed::Refused(_)) | None => None,
    }
}

/// The claims of those requests that have a key, by their place in the batch.
async fn claims_of<I, D, E>(
    tx: &mut BatchTx,
    now: chrono::DateTime<chrono::Utc>,
    requests: &[Keyed<I, D, E>],
) -> sqlx::Result<HashMap<usize, Claimed>> {
    let (places, keyed): (Vec<usize>, Vec<KeyedClaim<'_>>) = requests
        .iter()
        .enumerate()
        .filter_map(|(at, request)| {
            let (claim, _) = request.key.as_ref()?;
            Some((at, KeyedClaim { scope: request.scope, claim, order_id: None }))
        })
        .unzip();
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    let claims = claim(tx.connection(), now, &keyed).await?;
    Ok(places.into_iter().zip(claims).collect())
}
