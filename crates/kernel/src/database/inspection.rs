//! The properties of a database, for `doctor`. Reads as the role that the URL logs in as, and writes nothing.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::owner::OwnerConnection;
use crate::clock::SharedClock;
use crate::fault::Fault;

/// The server, and the way to it.
#[derive(Debug, Clone)]
pub struct Server {
    /// As in `15.4`.
    pub version: String,
    /// As in 150004.
    pub version_number: i32,
    pub database: String,
    pub login_role: String,
    pub login_is_superuser: bool,
    /// It copies another server, and takes no writes.
    pub is_standby: bool,
    pub encoding: String,
    /// Its time, and this machine's when it was asked.
    pub times: (DateTime<Utc>, DateTime<Utc>),
}

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AppliedMigration {
    pub version: i64,
    pub checksum: Vec<u8>,
    pub success: bool,
}

/// What keeps tenants apart.
#[derive(Debug, Clone, Default)]
pub struct Isolation {
    /// The application's role is there.
    pub role_exists: bool,
    /// Why the login role cannot become it.
    pub cannot_be_set: Option<String>,
    /// Roles that it is, or can become, to which row-level security does not apply.
    pub bypassing: Vec<String>,
    /// Tables whose owner it is, or can become.
    pub owned: Vec<String>,
    /// Tenants' tables without forced row-level security.
    pub unprotected: Vec<String>,
    /// It sees users while no tenant is set.
    pub sees_without_tenant: bool,
}

impl OwnerConnection {
    pub async fn server(&mut self, clock: &SharedClock) -> Result<Server, Fault> {
        type Row = (String, i32, String, String, bool, bool, String);
        let row: Row = sqlx::query_as(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::integer,
                    current_database()::text, session_user::text,
                    (SELECT rolsuper FROM pg_roles WHERE rolname = session_user), pg_is_in_recovery(),
                    current_setting('server_encoding')",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let before = clock.now();
        let time: DateTime<Utc> =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut self.connection).await?;
        let midway = before + (clock.now() - before) / 2;
        let (version, version_number, database, login_role, login_is_superuser, is_standby, encoding) = row;
        let times = (time, midway);
        Ok(Server {
            version,
            version_number,
            database,
            login_role,
            login_is_superuser,
            is_standby,
            encoding,
            times,
        })
    }

    /// Those that `history` lists, in their order; none if there never was one.
    pub async fn applied_migrations(&mut self, history: &str) -> Result<Vec<AppliedMigration>, Fault> {
        if self.schema_version(history).await?.is_none() {
            return Ok(Vec::new());
        }
        let query = format!("SELECT version, checksum, success FROM {history} ORDER BY version");
        Ok(sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut self.connection).await?)
    }

    /// Needs the schema to be there.
    pub async fn isolation(&mut self) -> Result<Isolation, Fault> {
        let connection = &mut self.connection;
        let role_exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'primetech_app')")
                .fetch_one(&mut *connection)
                .await?;
        let mut isolation = Isolation { role_exists, ..Isolation::default() };
        isolation.unprotected = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c
             WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
               AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
               AND EXISTS (SELECT 1 FROM pg_attribute a
                           WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
             ORDER BY 1",
        )
        .fetch_all(&mut *connection)
        .await?;
        if !role_exists {
            return Ok(isolation);
        }
        isolation.bypassing = sqlx::query_scalar(
            "SELECT rolname::text FROM pg_roles
             WHERE (rolsuper OR rolbypassrls) AND pg_has_role('primetech_app', oid, 'MEMBER') ORDER BY 1",
        )
        .fetch_all(&mut *connection)
        .await?;
        isolation.owned = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class
             WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
               AND pg_has_role('primetech_app', relowner, 'MEMBER') ORDER BY 1",
        )
        .fetch_all(&mut *connection)
        .await?;
        match sees_users(connection).await {
            Ok(sees) => isolation.sees_without_tenant = sees,
            Err(error) => isolation.cannot_be_set = Some(error.to_string()),
        }
        Ok(isolation)
    }
}

/// Whether the application's role sees any user while no tenant is set.
async fn sees_users(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("SET LOCAL ROLE primetech_app").execute(&mut *transaction).await?;
    let sees = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)").fetch_one(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(sees)
}
