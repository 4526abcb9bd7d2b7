//! The lane of a thread: a few connections on which its queues of batches take turns.
//!
//! A lane belongs to one thread and one database, so the number of connections does not grow with the number of
//! queues. Answers arrive on the thread that opened the connection, from one server process that has the statements'
//! plans. There is no round trip to test a connection: it stays open after a transaction that ended well, and is
//! closed if there is any doubt. A transaction that wrote nothing ends together with the begin of the next one, or as
//! soon as no queue needs the connection.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

use super::plans::KeptPlans;
use super::tx::{CommitOutcome, outcome};
use super::{Database, pool};
use crate::audit_log::Actor;
use crate::events::{Emitted, Event, Reactions, settle};

/// Connections of a lane: one commits while others work, and a slow batch holds up no neighbour. More would only share
/// the thread's time.
pub const LANE_CONNECTIONS: usize = 3;

/// See the module. Opens its connections when they are first needed.
pub struct Lane {
    database: Database,
    /// Opens connections, and keeps none.
    opener: PgPool,
    turns: Arc<Semaphore>,
    /// The last one used is the next one used: its plans are warm.
    idle: RefCell<Vec<OwnConnection>>,
}

struct OwnConnection {
    connection: PgConnection,
    plans: KeptPlans,
    /// In a transaction that is over for us, and not for the server.
    lingers: bool,
}

thread_local! {
    static LANES: RefCell<HashMap<usize, Weak<Lane>>> = RefCell::default();
}

impl Lane {
    /// The lane of this thread to `database`, which all that ask for it share. It ends with the last of them.
    pub fn of_thread(database: &Database) -> Rc<Self> {
        LANES.with_borrow_mut(|lanes| {
            lanes.retain(|_, lane| lane.strong_count() > 0);
            let key = database.identity();
            if let Some(lane) = lanes.get(&key).and_then(Weak::upgrade) {
                return lane;
            }
            let lane = Rc::new(Self::new(database));
            lanes.insert(key, Rc::downgrade(&lane));
            lane
        })
    }

    fn new(database: &Database) -> Self {
        let opener = pool(PgConnectOptions::clone(&database.pool.connect_options()), 1);
        let turns = Arc::new(Semaphore::new(LANE_CONNECTIONS));
        Self { database: database.clone(), opener, turns, idle: RefCell::default() }
    }

    async fn open(&self) -> sqlx::Result<OwnConnection> {
        let mut connection = self.opener.acquire().await?.detach();
        // A batch's statements find rows by whole keys, so that their plan is the same whatever the keys: planning them
        // for each batch would cost as much as executing them.
        sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut connection).await?;
        Ok(OwnConnection { connection, plans: KeptPlans::new(), lingers: false })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Begins a transaction that sees the rows of `tenants`, when it is the caller's turn.
    pub async fn begin(&self, tenants: Vec<Uuid>) -> sqlx::Result<BatchTx> {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let begun = Instant::now();
        let begin = self.database.connect_timeout.wait(async {
            let mut own = match self.take() {
                Some(own) => own,
                None => self.open().await?,
            };
            let begin =
                if own.plans.are_old(std::time::Instant::now()) { "BEGIN; DISCARD PLANS" } else { "BEGIN" };
            let lingering = if own.lingers { "COMMIT; " } else { "" };
            let begin = format!("{lingering}{begin}; {}", opening(tenants));
            sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut own.connection).await?;
            own.lingers = false;
            Ok(own)
        });
        let OwnConnection { connection, plans, .. } = begin.await?;
        let (actor, emitted) = (self.database.actor.clone(), Emitted::default());
        Ok(BatchTx { connection, plans, xid: None, begun, actor, emitted, _turn: turn })
    }

    pub(crate) async fn commit(&self, mut tx: BatchTx) -> CommitOutcome {
        if tx.xid.is_none() {
            // Nothing was written: there is nothing to wait for.
            self.keep(tx, true);
            return CommitOutcome::Committed;
        }
        let answer = sqlx::raw_sql("COMMIT").execute(&mut tx.connection).await.map(drop);
        let (xid, begun) = (tx.xid.take(), tx.begun);
        if answer.is_ok() {
            self.keep(tx, false);
        }
        outcome(self.database.pool(), answer, xid, begun).await
    }

    /// For a transaction that may go on no further, on a connection that is whole.
    pub async fn roll_back(&self, mut tx: BatchTx) {
        // One that is not whole after all is closed, which ends it as well.
        if sqlx::raw_sql("ROLLBACK").execute(&mut tx.connection).await.is_ok() {
            self.keep(tx, false);
        }
    }

    /// Ends what lingers. To be called where no other transaction of the caller is about to begin.
    pub(crate) async fn rest(&self) {
        loop {
            let lingering = {
                let mut idle = self.idle.borrow_mut();
                let place = idle.iter().position(|own| own.lingers);
                place.map(|place| idle.swap_remove(place))
            };
            let Some(mut own) = lingering else { return };
            if sqlx::raw_sql("COMMIT").execute(&mut own.connection).await.is_ok() {
                own.lingers = false;
                self.idle.borrow_mut().push(own);
            }
        }
    }

    fn take(&self) -> Option<OwnConnection> {
        self.idle.borrow_mut().pop()
    }

    fn keep(&self, tx: BatchTx, lingers: bool) {
        let BatchTx { connection, plans, .. } = tx;
        self.idle.borrow_mut().push(OwnConnection { connection, plans, lingers });
    }
}

/// A transaction for a batch of requests, which sees the rows of the tenants that it was told of. Dropped, it is rolled
/// back, with its connection closed.
pub struct BatchTx {
    connection: PgConnection,
    plans: KeptPlans,
    xid: Option<String>,
    /// Before the server heard of it.
    begun: Instant,
    actor: Actor,
    emitted: Emitted,
    /// Given back when the transaction is over, however it ends.
    _turn: OwnedSemaphorePermit,
}

impl BatchTx {
    /// Rolls back what was done, and begins again with the rows of `tenants` open, in one round trip.
    pub async fn start_over(&mut self, tenants: Vec<Uuid>) -> sqlx::Result<()> {
        (self.xid, self.begun, self.emitted) = (None, Instant::now(), Emitted::default());
        let begin = format!("ROLLBACK; BEGIN; {}", opening(tenants));
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Opens the rows of `tenants`, in place of those opened before.
    pub async fn open_tenants(&mut self, tenants: impl Iterator<Item = Uuid>) -> sqlx::Result<()> {
        sqlx::query("SELECT set_config('app.tenant_ids', $1, true)")
            .bind(joined(tenants))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The same, for a batch that certainly writes: learns the transaction's id in the same round trip.
    pub async fn open_tenants_to_write(&mut self, tenants: impl Iterator<Item = Uuid>) -> sqlx::Result<()> {
        let (_, xid): (String, String) =
            sqlx::query_as("SELECT set_config('app.tenant_ids', $1, true), pg_current_xact_id()::text")
                .bind(joined(tenants))
                .fetch_one(&mut self.connection)
                .await?;
        self.xid = Some(xid);
        Ok(())
    }

    /// Opens the tables that route what names no tenant yet (provider events), and learns the transaction's id.
    pub async fn open_platform_to_write(&mut self) -> sqlx::Result<()> {
        let (_, xid): (String, String) =
            sqlx::query_as("SELECT set_config('app.scope', 'platform', true), pg_current_xact_id()::text")
                .fetch_one(&mut self.connection)
                .await?;
        self.xid = Some(xid);
        Ok(())
    }

    /// Notes the transaction's id as `pg_current_xact_id()` told it. To be called with the first write of a batch that may
    /// turn out to write nothing: one that notes none is taken to have written nothing, and answered before it ends.
    pub fn note_xid(&mut self, xid: String) {
        self.xid = Some(xid);
    }

    /// Emits an event. Its listeners within the transaction are called before the commit.
    pub fn emit<E: Event>(&mut self, now: DateTime<Utc>, event: E) {
        self.emitted.push(now, event);
    }

    /// Calls the listeners of what was told. Tells whether messages for the outbox were written.
    pub(crate) async fn settle_events(&mut self, reactions: Option<&Reactions>) -> sqlx::Result<bool> {
        let emitted = std::mem::take(&mut self.emitted);
        settle(reactions, &mut self.connection, &self.actor, emitted).await
    }

    /// In whose name the product itself works here: for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor.clone()
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Formatted from UUIDs and commas, so that it can go with other statements in one round trip.
fn opening(tenants: Vec<Uuid>) -> String {
    format!("SELECT set_config('app.tenant_ids', '{}', true)", joined(tenants.into_iter()))
}

fn joined(tenants: impl Iterator<Item = Uuid>) -> String {
    let mut ids: Vec<Uuid> = tenants.collect();
    ids.sort_unstable();
    ids.dedup();
    ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",")
}
