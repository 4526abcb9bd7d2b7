//! The connections to PostgreSQL, and the only ways to open a transaction.
//!
//! Every connection works under the role `primetech_app`, whatever role the URL logs in as, so row-level security
//! applies. A store function takes one of the transactions of [`tx`], never a pool.

mod connect_timeout;
pub mod inspection;
pub mod lane;
pub mod owner;
mod plans;
mod platform;
mod pool_opener;
pub mod tx;

use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::audit_log::Actor;
use crate::events::Reactions;
use crate::fault::Fault;
use crate::outbox::OutboxSignal;
use crate::tenancy::TenantScope;
use connect_timeout::ConnectTimeout;
use pool_opener::PoolOpener;
use tx::{PlatformTx, TenantTx};

pub use lane::BatchTx;

/// The role without the right to bypass row-level security. Made by the first migration.
pub const APPLICATION_ROLE: &str = "primetech_app";

/// How long a request may wait for a free connection of a database that is there, before it is told that it cannot be
/// served. One that is unreachable is reported sooner: see [`connect_timeout`].
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one statement may run: longer than any should, shorter than a client's patience.
const STATEMENT_TIMEOUT_MS: &str = "15000";

/// A connection pool to the product's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    pool_opener: PoolOpener,
    connect_timeout: ConnectTimeout,
    actor: Actor,
    /// Set once, when the modules of a process are put together.
    reactions: Arc<OnceLock<Reactions>>,
    outbox: OutboxSignal,
}

/// The database URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL is not a PostgreSQL URL")]
pub struct InvalidDatabaseUrl;

impl Database {
    /// A pool of at most `max_connections`. Connects when first used, so it succeeds while the database is down. To be
    /// called on the runtime that ends last.
    pub fn connect_lazy(url: &SecretString, max_connections: u32) -> Result<Self, InvalidDatabaseUrl> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| InvalidDatabaseUrl)?
            .application_name("primetech")
            .statement_cache_capacity(256)
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT_MS),
                // A transaction whose process hangs must not hold its row locks for ever.
                ("idle_in_transaction_session_timeout", "30000"),
                // Statements are prepared once and their plans kept for a connection's life, also those that were made
                // while a table was empty and read as a whole cheapest. All have an index to go by, few rows to find,
                // and the tables grow: so indexes and nested loops it is, from the first row on.
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                // What has no index after all looks dear enough to be compiled, which costs more than it takes.
                ("jit", "off"),
            ]);
        // Statements are reported without their values: to traces, and slow ones to the log.
        // Errors are logged once, where a request is answered.
        let connect_timeout = ConnectTimeout::new(options.clone());
        let pool = pool(options, max_connections);
        Ok(Self {
            pool,
            pool_opener: PoolOpener::here(max_connections),
            connect_timeout,
            actor: Actor::System,
            reactions: Arc::default(),
            outbox: OutboxSignal::default(),
        })
    }

    /// The same, for work that is done in someone's name: what it writes to the audit log on its own account is theirs.
    pub fn acting_for(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// Lets `reactions` hear what is told in the transactions of this database and of its clones. Once: what comes
    /// later is given back.
    pub fn heard_by(&self, reactions: Reactions) -> Result<(), Reactions> {
        self.reactions.set(reactions)
    }

    /// Clones of one database have the same.
    fn identity(&self) -> usize {
        Arc::as_ptr(&self.reactions).addr()
    }

    /// Who hears what, once that is known.
    pub fn reactions(&self) -> Option<&Reactions> {
        self.reactions.get()
    }

    /// Raised after each commit that wrote messages for the outbox.
    pub fn outbox(&self) -> &OutboxSignal {
        &self.outbox
    }

    /// Waits for a transaction to begin, on a connection that outlives the thread it is begun from.
    async fn begin<T>(&self, begin: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let begin = async {
            self.pool_opener.open_if_none_is_free(&self.pool).await?;
            begin.await
        };
        self.connect_timeout.wait(begin).await
    }

    /// A transaction that sees one tenant's rows.
    pub async fn tenant_tx(&self, scope: &TenantScope) -> sqlx::Result<TenantTx> {
        self.begin(TenantTx::begin(&self.pool, scope, self.actor.clone())).await
    }

    /// A transaction of the platform itself: sees the tables with a `platform_*` policy, no tenant's.
    pub async fn platform_tx(&self) -> sqlx::Result<PlatformTx> {
        self.begin(PlatformTx::begin(&self.pool)).await
    }

    /// A transaction that looks for payments to ask the provider about, of all tenants, and sees nothing else.
    pub async fn reconciler_tx(&self) -> sqlx::Result<PlatformTx> {
        self.begin(PlatformTx::begin_as(&self.pool, "reconciler")).await
    }

    /// A transaction that finds the tenants whose audit log has entries to seal, and sees nothing else.
    pub async fn sealer_tx(&self) -> sqlx::Result<PlatformTx> {
        self.begin(PlatformTx::begin_as(&self.pool, "sealer")).await
    }

    /// A transaction that deletes rows of all tenants whose time is over, and sees nothing else.
    pub async fn sweeper_tx(&self) -> sqlx::Result<PlatformTx> {
        self.connect_timeout.wait(PlatformTx::begin_as(&self.pool, "sweeper")).await
    }

    /// Reads in one transaction. A connection that turns out to be broken costs another try, not an error.
    pub async fn read<T>(
        &self,
        scope: &TenantScope,
        mut work: impl AsyncFnMut(&mut TenantTx) -> sqlx::Result<T>,
    ) -> Result<T, Fault> {
        let mut tries = tx::Tries::new();
        loop {
            let attempt = async {
                let mut transaction = self.tenant_tx(scope).await?;
                let value = work(&mut transaction).await?;
                transaction.end_read().await?;
                Ok(value)
            };
            match attempt.await {
                Ok(value) => return Ok(value),
                Err(error) => tries.again_after(error)?,
            }
        }
    }

    /// Reads in one transaction that sees the database as it is at one moment, however long it takes. It is not tried
    /// again: `work` may have told others what it has read.
    pub async fn read_snapshot<T>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut TenantTx) -> sqlx::Result<T>,
    ) -> Result<T, Fault> {
        let mut transaction = self
            .connect_timeout
            .wait(TenantTx::begin_snapshot(&self.pool, scope, self.actor.clone()))
            .await?;
        let value = work(&mut transaction).await?;
        transaction.end_read().await?;
        Ok(value)
    }

    /// Runs `work` in one transaction: an inner `Ok` is committed, an inner `Err` (a refusal) rolled back.
    ///
    /// Conflicts and broken connections before the commit are tried again. A commit whose answer is lost is looked up;
    /// [`Fault::OutcomeUnknown`] only where PostgreSQL cannot be asked.
    pub async fn write<T, E>(
        &self,
        scope: &TenantScope,
        mut work: impl AsyncFnMut(&mut TenantTx) -> sqlx::Result<Result<T, E>>,
    ) -> Result<T, E>
    where
        E: From<Fault>,
    {
        let mut tries = tx::Tries::new();
        loop {
            let attempt = async {
                let mut transaction = self.tenant_tx(scope).await?;
                transaction.assign_xid().await?;
                match work(&mut transaction).await? {
                    Ok(value) => {
                        let wrote_messages = transaction.settle_events(self.reactions()).await?;
                        Ok((Ok(value), Some((transaction, wrote_messages))))
                    }
                    Err(refusal) => Ok((Err(refusal), None)),
                }
            };
            match attempt.await {
                Ok((Ok(value), Some((transaction, wrote_messages)))) => {
                    match transaction.commit(&self.pool).await {
                        tx::CommitOutcome::Committed => {
                            if wrote_messages {
                                self.outbox.raise();
                            }
                            return Ok(value);
                        }
                        tx::CommitOutcome::Aborted(error) => tries.again_after(error).map_err(E::from)?,
                        tx::CommitOutcome::Unknown => return Err(Fault::OutcomeUnknown.into()),
                    }
                }
                Ok((Err(refusal), _)) => return Err(refusal),
                Ok((Ok(_), None)) => unreachable!("an accepted value always comes with its transaction"),
                Err(error) => tries.again_after(error).map_err(E::from)?,
            }
        }
    }

    /// Asks the database whether it is there and whether this connection's role is the right one.
    pub async fn check(&self) -> Result<(), Fault> {
        let query =
            sqlx::query_as("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user");
        let (bypasses,): (bool,) = self.begin(query.fetch_one(&self.pool)).await?;
        if bypasses {
            return Err(Fault::internal("the application's database role can bypass row-level security"));
        }
        Ok(())
    }

    /// Where the schema stands whose migrations `history` lists, a table named by the program itself. None if nothing was
    /// applied yet.
    pub async fn schema_version(&self, history: &str) -> Result<Option<SchemaVersion>, Fault> {
        let mut connection = self.begin(self.pool.acquire()).await?;
        schema_version(&mut connection, history).await
    }

    /// For what needs no tenant: waits for `query` on [`Self::pool`] as transactions wait for theirs.
    pub async fn wait<T>(&self, query: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        self.begin(query).await
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Connections in use and open, for metrics.
    pub fn pool_use(&self) -> (u32, u32) {
        let open = self.pool.size();
        (open.saturating_sub(u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX)), open)
    }

    /// Connections that may be open, for metrics.
    pub fn pool_limit(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn pool(options: PgConnectOptions, max_connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A broken connection is found by its first statement, and the work is then tried on another.
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // A constant: the role is never taken from outside.
                sqlx::raw_sql("SET ROLE primetech_app").execute(connection).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Where a database's schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The newest migration.
    pub newest: i64,
    /// Programs that do not know this migration cannot work on the schema any more: a later one has taken away what
    /// they use. Nothing was taken away yet: zero.
    pub oldest_known: i64,
}

/// Where the schema stands, or none if there is no schema yet. A migration that contracts says in its name from
/// which version on programs can do without what it drops: `0014_contract_from_0012_old_column.sql`.
async fn schema_version(
    connection: &mut sqlx::PgConnection,
    history: &str,
) -> Result<Option<SchemaVersion>, Fault> {
    let statement = format!(
        "SELECT max(version), max(substring(description FROM '^contract from ([0-9]{{1,18}})')::bigint)
         FROM {history} WHERE success"
    );
    let answer: Result<(Option<i64>, Option<i64>), _> =
        sqlx::query_as(AssertSqlSafe(statement)).fetch_one(connection).await;
    match answer {
        Ok((newest, oldest_known)) => {
            Ok(newest.map(|newest| SchemaVersion { newest, oldest_known: oldest_known.unwrap_or_default() }))
        }
        // undefined_table: never migrated
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A single connection as the role that owns the schema, for migrations and the operator's commands.
pub async fn connect_as_owner(url: &SecretString) -> Result<sqlx::PgConnection, Fault> {
    let options = PgConnectOptions::from_str(url.expose_secret())
        .map_err(|error| Fault::internal(Arc::from(error.to_string())))?
        .application_name("primetech-cli")
        .disable_statement_logging();
    Ok(sqlx::PgConnection::connect_with(&options).await?)
}
