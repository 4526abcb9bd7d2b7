//! A connection of its own for an owner with one transaction at a time: a queue of batches.
//!
//! Answers arrive on the thread that opened the connection, from one server process that has the statements' plans.
//! There is no pool to wait for, and no round trip to test the connection: it stays open after a transaction that
//! ended, and is closed if there is any doubt. A transaction that wrote nothing ends together with the begin of the
//! next one, or as soon as the queue is idle.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use super::plans::KeptPlans;
use super::tx::{CommitOutcome, outcome};
use super::{Database, pool};
use crate::audit_log::Actor;
use crate::events::{Emitted, Event, Reactions, settle};

/// See the module. Opens its connection when first used.
pub struct KeptConnection {
    database: Database,
    /// Opens connections, and keeps none.
    opener: PgPool,
    kept: Mutex<Option<Kept>>,
    plans: KeptPlans,
}

struct Kept {
    connection: PgConnection,
    /// In a transaction that is over for us, and not for the server.
    lingers: bool,
}

impl KeptConnection {
    pub fn new(database: &Database) -> Self {
        let opener = pool(PgConnectOptions::clone(&database.pool.connect_options()), 1);
        Self { database: database.clone(), opener, kept: Mutex::default(), plans: KeptPlans::new() }
    }

    async fn open(&self) -> sqlx::Result<PgConnection> {
        let mut connection = self.opener.acquire().await?.detach();
        // A batch's statements find rows by whole keys, so that their plan is the same whatever the keys: planning them
        // anew with each batch's would cost as much as executing them.
        sqlx::raw_sql("SET plan_cache_mode = force_generic_plan").execute(&mut connection).await?;
        Ok(connection)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Begins a transaction that sees the rows of `tenants`.
    pub async fn begin(&self, tenants: Vec<Uuid>) -> sqlx::Result<BatchTx> {
        let begin =
            if self.plans.are_old(std::time::Instant::now()) { "BEGIN; DISCARD PLANS" } else { "BEGIN" };
        let begin = format!("{begin}; {}", opening(tenants));
        let begun = Instant::now();
        let connection = self.database.patience.wait(async {
            let Kept { mut connection, lingers } = match self.take() {
                Some(kept) => kept,
                None => Kept { connection: self.open().await?, lingers: false },
            };
            let begin = if lingers { format!("COMMIT; {begin}") } else { begin };
            sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await?;
            Ok(connection)
        });
        Ok(BatchTx {
            connection: connection.await?,
            xid: None,
            begun,
            actor: self.database.actor.clone(),
            emitted: Emitted::default(),
        })
    }

    pub async fn commit(&self, mut tx: BatchTx) -> CommitOutcome {
        if tx.xid.is_none() {
            // Nothing was written: there is nothing to wait for.
            self.keep(Kept { connection: tx.connection, lingers: true });
            return CommitOutcome::Committed;
        }
        let answer = sqlx::raw_sql("COMMIT").execute(&mut tx.connection).await.map(drop);
        if answer.is_ok() {
            self.keep(Kept { connection: tx.connection, lingers: false });
        }
        outcome(&self.database, answer, tx.xid, tx.begun).await
    }

    /// For a transaction that may go on no further, on a connection that is whole.
    pub async fn roll_back(&self, tx: BatchTx) {
        self.end(tx.connection, "ROLLBACK").await;
    }

    /// Ends what lingers. To be called where no other transaction is about to begin.
    pub async fn rest(&self) {
        match self.take() {
            Some(Kept { connection, lingers: true }) => self.end(connection, "COMMIT").await,
            Some(kept) => self.keep(kept),
            None => {}
        }
    }

    async fn end(&self, mut connection: PgConnection, end: &'static str) {
        // One that is not whole after all is closed, which ends it as well.
        if sqlx::raw_sql(end).execute(&mut connection).await.is_ok() {
            self.keep(Kept { connection, lingers: false });
        }
    }

    fn take(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

/// A transaction for a batch of requests, which sees the rows of the tenants that it was told of. Dropped, it is rolled
/// back, with its connection closed.
pub struct BatchTx {
    connection: PgConnection,
    xid: Option<String>,
    /// Before the server heard of it.
    begun: Instant,
    actor: Actor,
    emitted: Emitted,
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

    /// Tells of an event. Whoever hears it within the transaction is called before the commit.
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
