//! Writes as the role that the URL logs in as, for operator's commands on tables that the application may only read
//! (`tenants`, `tenant_domains`).
//!
//! Row-level security is forced on the owner too, so a write to a tenant's rows needs that tenant opened first. No
//! request uses this.

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Postgres, Transaction};
use uuid::Uuid;

use super::{InvalidDatabaseUrl, STATEMENT_TIMEOUT_MS, SchemaVersion};
use crate::audit_log::Actor;
use crate::fault::{FailureKind, Fault, kind_of};

/// How long a person at a terminal waits for a database that does not answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// One connection of the operator.
pub struct OwnerConnection {
    pub(super) connection: PgConnection,
    actor: Actor,
}

/// A transaction of the operator. Sees the tenant that it was told of last.
pub struct OwnerTx<'a> {
    transaction: Transaction<'a, Postgres>,
    actor: Actor,
}

impl OwnerConnection {
    /// Connects, within a few seconds or not at all.
    pub async fn connect(url: &SecretString) -> Result<Self, Fault> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| Fault::internal(InvalidDatabaseUrl.to_string()))?
            .application_name("primetech-cli")
            .options([("statement_timeout", STATEMENT_TIMEOUT_MS), ("lock_timeout", "10000")])
            .disable_statement_logging();
        match tokio::time::timeout(CONNECT_PATIENCE, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => Ok(Self { connection, actor: Actor::System }),
            // Whatever is wrong (refused, a password, no such database): it cannot be worked on.
            Ok(Err(error)) => Err(Fault::DatabaseUnavailable(error.to_string().into())),
            Err(_) => Err(Fault::DatabaseUnavailable("no answer in time".into())),
        }
    }

    /// The same, for work that is done in someone's name.
    pub fn acting_for(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// Where the schema stands whose migrations `history` lists, a table named by the program itself. None if nothing was
    /// applied yet.
    pub async fn schema_version(&mut self, history: &str) -> Result<Option<SchemaVersion>, Fault> {
        super::schema_version(&mut self.connection, history).await
    }

    /// Whether this role may write what the application's may only read.
    pub async fn owns_tenants(&mut self) -> Result<bool, Fault> {
        let query = sqlx::query_scalar(
            "SELECT has_table_privilege('tenants', 'INSERT, UPDATE') AND has_table_privilege('tenant_domains', 'INSERT')",
        );
        Ok(query.fetch_one(&mut self.connection).await?)
    }

    /// Runs `work` in one transaction: an inner `Ok` is committed, an inner `Err` (a refusal) rolled back.
    pub async fn write<T, E: From<Fault>>(
        &mut self,
        work: impl AsyncFnOnce(&mut OwnerTx<'_>) -> sqlx::Result<Result<T, E>>,
    ) -> Result<T, E> {
        let transaction = self.connection.begin().await.map_err(Fault::from)?;
        let mut transaction = OwnerTx { transaction, actor: self.actor.clone() };
        let value = work(&mut transaction).await.map_err(Fault::from)??;
        match transaction.transaction.commit().await {
            Ok(()) => Ok(value),
            Err(error) if kind_of(&error) == FailureKind::Connection => Err(Fault::OutcomeUnknown.into()),
            Err(error) => Err(Fault::from(error).into()),
        }
    }
}

impl OwnerTx<'_> {
    /// Opens the rows of one tenant, in place of another's.
    pub async fn open_tenant(&mut self, tenant_id: Uuid) -> sqlx::Result<()> {
        sqlx::query("SELECT set_config('app.tenant_ids', $1, true)")
            .bind(tenant_id.to_string())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// In whose name the product itself works here: for the audit log.
    pub fn actor(&self) -> Actor {
        self.actor.clone()
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
