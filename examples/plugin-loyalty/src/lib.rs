//! Points for paid orders: a domain that is added to the product from outside. `docs/plugins.md` walks through it.
//!
//! Owns `loyalty_points`. Points are written in the transaction of the payment that earns them, once for each order. A
//! customer redeems those that expire first. What is left when its time is over, the worker lets expire.

mod actor;
mod cli;
mod error;
mod events;
mod http;
mod mails;
mod messages;
mod seed;
mod settings;
mod store;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use primetech_actors::webhook::OrderPaid;
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::events::{LockRank, Reaction};
use primetech_kernel::fault::Fault;
use primetech_kernel::money;
use primetech_kernel::runtime::Runtime;
use primetech_kernel::shard::Shards;
use primetech_kernel::tenancy::TenantScope;
use primetech_module::{Module, Next, Surface, UserMail, Worker};
use uuid::Uuid;

pub use actor::LoyaltyActor;
pub use error::{CODES, LOYALTY_NOT_ENOUGH_POINTS, RedeemError};
pub use events::{PointsEarned, PointsRedeemed};
pub use messages::*;
pub use settings::LoyaltySettings;

/// The topic of the mails about points that were earned.
const MAIL: &str = "mail.loyalty-points-earned";

/// Between two looks for points whose time is over, of one process.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// Rows that one turn of the worker changes: some milliseconds.
const EXPIRED_AT_ONCE: i64 = 500;

/// The domain.
pub struct Loyalty {
    database: Database,
    clock: SharedClock,
    actors: Shards<LoyaltyActor>,
    mail: Arc<dyn UserMail>,
    settings: LoyaltySettings,
}

impl Loyalty {
    /// Starts the domain's actors.
    pub fn new(runtime: &Runtime, mail: Arc<dyn UserMail>, settings: LoyaltySettings) -> Arc<Self> {
        let (database, clock, limits) =
            (runtime.database.clone(), Arc::clone(&runtime.clock), runtime.limits);
        let actors = runtime.shards({
            let (database, clock) = (database.clone(), Arc::clone(&clock));
            move || LoyaltyActor::new(&database, Arc::clone(&clock), limits)
        });
        Arc::new(Self { database, clock, actors, mail, settings })
    }

    /// A customer's points, with the newest entries.
    pub async fn points(&self, scope: &TenantScope, user_id: Uuid) -> Result<PointsView, Fault> {
        let now = self.clock.now();
        self.database.read(scope, async |tx| store::points(tx, user_id, now).await).await
    }

    /// Lets one bounded number of points expire whose time is over, of all tenants. Tells how many rows were changed, and
    /// whether there may be more. Rows that another process has locked are left to it.
    pub async fn expire(&self) -> Result<(u64, Next), Fault> {
        let mut tx = self.database.sweeper_tx().await?;
        let expired = store::expire(tx.connection(), self.clock.now(), EXPIRED_AT_ONCE).await?;
        tx.commit().await?;
        let is_full = expired == EXPIRED_AT_ONCE.unsigned_abs();
        Ok((expired, if is_full { Next::AtOnce } else { Next::Later }))
    }

    /// Inside the payments' transaction: one statement for all of its orders.
    async fn earn(&self, reaction: &mut Reaction<'_>, paid: Vec<&OrderPaid>) -> sqlx::Result<()> {
        let now = reaction.now();
        let expires_at = now + TimeDelta::days(self.settings.expire_days.into());
        let earned: Vec<PointsEarned> = paid
            .iter()
            .map(|order| PointsEarned::of(order, self.points_for(order), now, expires_at))
            .filter(|earned| earned.points > 0)
            .collect();
        let written = store::insert_earned(reaction.connection(), now, &earned).await?;
        for event in earned.into_iter().filter(|event| written.contains(&event.entry_id)) {
            reaction.emit(event);
        }
        Ok(())
    }

    /// For each whole major unit of the total. What is left over counts for nothing.
    fn points_for(&self, order: &OrderPaid) -> i64 {
        let unit = 10_i64.pow(money::decimals(&order.currency).into());
        order.total / unit * i64::from(self.settings.points_per_unit)
    }
}

impl Module for Loyalty {
    const NAME: &'static str = "loyalty";

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        let (actors, worker) = (self.actors.clone(), Arc::clone(self));
        on.codes(CODES)
            .tables(&["loyalty_points"])
            .migrations(sqlx::migrate!("./migrations"))
            .endpoints(self, [http::points::endpoint(), http::redeem::endpoint()])
            .tells::<PointsEarned>()
            .tells::<PointsRedeemed>()
            .within::<OrderPaid, _>(self, LockRank::plugin(1), earn)
            .after::<PointsEarned, _>(self, MAIL, mails::place, |loyalty, delivery, earned| {
                Box::pin(mails::tell_the_customer(loyalty, delivery, earned))
            })
            .worker(Worker::every(EXPIRE_EVERY, "loyalty-expiry", move || {
                let loyalty = Arc::clone(&worker);
                Box::pin(async move {
                    let expired = loyalty.expire().await;
                    expired.map(|(_, next)| next).map_err(|fault| fault.to_string())
                })
            }))
            .command(cli::loyalty())
            .seed(|connection, now| Box::pin(seed::welcome(connection, now)))
            .running(move || actors.are_running());
    }
}

fn earn<'a>(
    loyalty: Arc<Loyalty>,
    reaction: &'a mut Reaction<'_>,
    paid: Vec<&'a OrderPaid>,
) -> BoxFuture<'a, sqlx::Result<()>> {
    Box::pin(async move { loyalty.earn(reaction, paid).await })
}
