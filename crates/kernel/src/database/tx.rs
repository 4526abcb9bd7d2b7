//! Transactions that see only what their type states, and the outcome of a commit.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};
use tokio::time::Instant;
use uuid::Uuid;

use crate::audit_log::Actor;
use crate::events::{Emitted, Event, Reactions, settle};
use crate::fault::{FailureKind, Fault, kind_of};
use crate::tenancy::TenantScope;

pub use super::platform::PlatformTx;

/// Work that met a conflict is tried this often in all.
const MAX_TRIES: u32 = 4;

/// Work whose connection was broken is tried this often. After a restart of PostgreSQL each pooled connection is broken
/// until its first statement has failed, at once: these are about as many as were in use together before it.
const MAX_CONNECTIONS_TRIED: u32 = 12;

/// How long a commit whose answer was lost is looked up.
const OUTCOME_PATIENCE: Duration = Duration::from_secs(3);

/// Counts the tries at one piece of work.
#[derive(Default)]
pub struct Tries(u32);

impl Tries {
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows another try after an error that another try can mend; otherwise the fault to answer with.
    /// Only for errors that came before a COMMIT was sent, or that are known to have aborted the transaction.
    pub fn again_after(&mut self, error: sqlx::Error) -> Result<(), Fault> {
        self.0 += 1;
        let at_most = match kind_of(&error) {
            // Waiting for a connection took its whole timeout already.
            FailureKind::Connection
                if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) =>
            {
                0
            }
            FailureKind::Connection => MAX_CONNECTIONS_TRIED,
            FailureKind::Conflict => MAX_TRIES,
            FailureKind::Statement => 0,
        };
        if self.0 < at_most { Ok(()) } else { Err(error.into()) }
    }
}

/// What became of a transaction.
#[derive(Debug)]
pub enum CommitOutcome {
    Committed,
    /// Certainly rolled back.
    Aborted(sqlx::Error),
    /// PostgreSQL could not be asked.
    Unknown,
}

/// A transaction that sees the rows of one tenant.
pub struct TenantTx {
    transaction: Transaction<'static, Postgres>,
    tenant_id: Uuid,
    xid: Option<String>,
    /// Before the server heard of it.
    begun: Instant,
    actor: Actor,
    emitted: Emitted,
}

impl TenantTx {
    pub(super) async fn begin(pool: &PgPool, scope: &TenantScope, actor: Actor) -> sqlx::Result<Self> {
        let (tenant_id, begun) = (scope.tenant_id(), Instant::now());
        // Formatted from a UUID: hexadecimal digits and dashes only. One round trip for both statements.
        let begin = format!("BEGIN; SELECT set_config('app.tenant_ids', '{tenant_id}', true)");
        let transaction = pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Self { transaction, tenant_id, xid: None, begun, actor, emitted: Emitted::default() })
    }

    /// One that writes nothing, and in which every statement sees the same state of the database.
    pub(super) async fn begin_snapshot(
        pool: &PgPool,
        scope: &TenantScope,
        actor: Actor,
    ) -> sqlx::Result<Self> {
        let (tenant_id, begun) = (scope.tenant_id(), Instant::now());
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT set_config('app.tenant_ids', '{tenant_id}', true)"
        );
        let transaction = pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Self { transaction, tenant_id, xid: None, begun, actor, emitted: Emitted::default() })
    }

    /// The tenant whose rows are seen: the first parameter of every query.
    pub fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    /// In whose name the product itself works here: for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor.clone()
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Emits an event. Its listeners within the transaction are called before the commit.
    pub fn emit<E: Event>(&mut self, now: DateTime<Utc>, event: E) {
        self.emitted.push(now, event);
    }

    /// Calls the listeners of what was told. Tells whether messages for the outbox were written.
    pub(super) async fn settle_events(&mut self, reactions: Option<&Reactions>) -> sqlx::Result<bool> {
        let emitted = std::mem::take(&mut self.emitted);
        settle(reactions, &mut self.transaction, &self.actor, emitted).await
    }

    /// Learns the transaction's id, so that a lost answer to its commit can be looked up.
    pub async fn assign_xid(&mut self) -> sqlx::Result<()> {
        self.xid = Some(current_xid(&mut self.transaction).await?);
        Ok(())
    }

    /// Ends a transaction that wrote nothing.
    pub async fn end_read(self) -> sqlx::Result<()> {
        self.transaction.commit().await
    }

    /// `pool` is of the same database: a lost answer is looked up there.
    pub async fn commit(self, pool: &PgPool) -> CommitOutcome {
        let answer = self.transaction.commit().await;
        outcome(pool, answer, self.xid, self.begun).await
    }
}

async fn current_xid(connection: &mut PgConnection) -> sqlx::Result<String> {
    let (xid,): (String,) = sqlx::query_as("SELECT pg_current_xact_id()::text").fetch_one(connection).await?;
    Ok(xid)
}

/// What became of a transaction whose COMMIT was answered so, or not at all.
pub(super) async fn outcome(
    pool: &PgPool,
    answer: sqlx::Result<()>,
    xid: Option<String>,
    begun: Instant,
) -> CommitOutcome {
    let Err(error) = answer else { return CommitOutcome::Committed };
    match (kind_of(&error), xid) {
        // PostgreSQL answered: it refused the commit (a deferred constraint, a conflict).
        (FailureKind::Statement | FailureKind::Conflict, _) => CommitOutcome::Aborted(error),
        // Nothing was written, so nothing can be lost.
        (FailureKind::Connection, None) => CommitOutcome::Aborted(error),
        (FailureKind::Connection, Some(xid)) => look_up(pool, &xid, begun, error).await,
    }
}

/// What became of a transaction ($1), and whether the server restarted in the last $2 seconds: as a whole, or after a
/// crash of one of its processes, which resets its statistics.
const OUTCOME: &str = "
    SELECT pg_xact_status($1::text::xid8),
           greatest(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_wal))
           > clock_timestamp() - make_interval(secs => $2)";

/// Asks PostgreSQL what became of transaction `xid`, whose commit was sent and not answered.
///
/// After a crash the server assigns a number again if it left no trace on the disk. So if the server has restarted since
/// the transaction began, "committed" may describe another transaction, and the outcome stays unknown. "Aborted" and
/// "unknown number" are true in both cases: a durable commit is on the disk.
async fn look_up(pool: &PgPool, xid: &str, begun: Instant, error: sqlx::Error) -> CommitOutcome {
    let search = async {
        loop {
            let answer: sqlx::Result<(Option<String>, bool)> =
                sqlx::query_as(OUTCOME).bind(xid).bind(begun.elapsed().as_secs_f64()).fetch_one(pool).await;
            match answer {
                Ok((Some(status), false)) if status == "committed" => return CommitOutcome::Committed,
                Ok((Some(status), true)) if status == "committed" => return CommitOutcome::Unknown,
                Ok((Some(status), _)) if status == "aborted" => return CommitOutcome::Aborted(error),
                // Too old to be remembered: cannot be, it was just made.
                Ok((None, _)) => return CommitOutcome::Unknown,
                // A number that is still to be given away: a crash took what was done under it.
                Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("22023") => {
                    return CommitOutcome::Aborted(error);
                }
                // Still in progress, or the server is not back yet.
                Ok((Some(_), _)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(OUTCOME_PATIENCE, search).await.unwrap_or(CommitOutcome::Unknown)
}
