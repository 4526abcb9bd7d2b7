use std::collections::HashMap;
use std::rc::Rc;

use actix::{Actor, Context, Handler, ResponseFuture};
use primetech_kernel::batch::{Batch, BatchLimits, BatchQueue, Reply};
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::BatchTx;
use primetech_kernel::database::Database;
use primetech_kernel::idempotency::{Once, OnceDone, OnceError};
use primetech_kernel::random;
use uuid::Uuid;

use crate::error::RedeemError;
use crate::events::PointsRedeemed;
use crate::messages::*;
use crate::store::{self, Lot};

/// Redeems points, many in one commit.
pub struct LoyaltyActor {
    redeem: Rc<BatchQueue<Once<RedeemBatch>>>,
}

impl LoyaltyActor {
    pub fn new(database: &Database, clock: SharedClock, limits: BatchLimits) -> Self {
        let work = RedeemBatch { clock: clock.clone() };
        Self { redeem: Rc::new(BatchQueue::new(Once { work, clock }, database, limits)) }
    }
}

impl Actor for LoyaltyActor {
    type Context = Context<Self>;
}

primetech_kernel::ask::carry_spans!(LoyaltyActor);

impl Handler<RedeemOnce> for LoyaltyActor {
    type Result = ResponseFuture<Result<OnceDone<Redeemed>, OnceError<RedeemError>>>;

    fn handle(&mut self, message: RedeemOnce, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.redeem.submit(message))
    }
}

/// The work of [`LoyaltyActor`].
struct RedeemBatch {
    clock: SharedClock,
}

impl Batch for RedeemBatch {
    type Item = Redeem;
    type Done = Redeemed;
    type Error = RedeemError;
    const NAME: &'static str = "loyalty.redeem";

    async fn run(&self, tx: &mut BatchTx, requests: &[Redeem]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        let customers = requests.iter().map(|request| (request.scope.tenant_id(), request.user_id));
        let mut lots = store::lock_lots(tx.connection(), customers, now).await?;
        let mut replies = Vec::with_capacity(requests.len());
        let mut redeemed = Vec::new();
        for request in requests {
            let customer = (request.scope.tenant_id(), request.user_id);
            let lots = lots.entry(customer).or_default();
            let balance: i64 = lots.iter().map(|lot| lot.remaining).sum();
            if balance < request.points {
                replies.push(Err(RedeemError::NotEnoughPoints { balance }));
                continue;
            }
            take(lots, request.points);
            let (id, points) = (random::row_id(now), request.points);
            replies.push(Ok(Redeemed { id, points, balance: balance - points, created_at: now }));
            redeemed.push(PointsRedeemed {
                tenant_id: customer.0,
                entry_id: id,
                user_id: customer.1,
                points,
                request_id: request.request_id.clone(),
            });
        }
        store::set_remaining(tx.connection(), &changed(&lots)).await?;
        store::insert_redeemed(tx.connection(), now, &redeemed).await?;
        for event in redeemed {
            tx.emit(now, event);
        }
        Ok(replies)
    }
}

/// Takes points from the first lots. There are as many in all.
fn take(lots: &mut [Lot], mut points: i64) {
    for lot in lots {
        let taken = points.min(lot.remaining);
        lot.remaining -= taken;
        lot.is_changed |= taken > 0;
        points -= taken;
    }
}

fn changed(lots: &HashMap<(Uuid, Uuid), Vec<Lot>>) -> Vec<(Uuid, Uuid, i64)> {
    let mut changed = Vec::new();
    for ((tenant_id, _), lots) in lots {
        let lots = lots.iter().filter(|lot| lot.is_changed);
        changed.extend(lots.map(|lot| (*tenant_id, lot.id, lot.remaining)));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lots_are_emptied_first() {
        let lot = |remaining| Lot { id: Uuid::nil(), remaining, is_changed: false };
        let mut lots = [lot(5), lot(7), lot(1)];
        take(&mut lots, 8);
        let left: Vec<_> = lots.iter().map(|lot| (lot.remaining, lot.is_changed)).collect();
        assert_eq!(left, [(0, true), (4, true), (1, false)]);
    }
}
