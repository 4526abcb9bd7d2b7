//! The database's schema: the migrations that this program carries, and whether a database has them.

use primetech_actors::database::inspection::AppliedMigration;
use primetech_actors::database::{APPLICATION_ROLE, connect_as_owner};
use primetech_actors::fault::Fault;
use secrecy::SecretString;
use sqlx::AssertSqlSafe;
use sqlx::migrate::{Migrate, Migrator};

/// Embedded when the program was built.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A database whose schema is not this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaMismatch {
    #[error("the database has no schema yet: run `primetech migrate`")]
    Missing,
    #[error(
        "the database's schema is at version {found}, this program's at {wanted}: run `primetech migrate`"
    )]
    Behind { found: i64, wanted: i64 },
    #[error("the database's schema is at version {found}, which this program (at {known}) does not know")]
    Unknown { found: i64, known: i64 },
}

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Connect(#[from] Fault),
    #[error("a migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
}

/// The newest migration of this program.
pub fn latest_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Whether a database at `found` can be worked on.
pub fn check_version(found: Option<i64>) -> Result<(), SchemaMismatch> {
    let wanted = latest_version();
    match found {
        None => Err(SchemaMismatch::Missing),
        Some(found) if found < wanted => Err(SchemaMismatch::Behind { found, wanted }),
        Some(found) if found > wanted => Err(SchemaMismatch::Unknown { found, known: wanted }),
        Some(_) => Ok(()),
    }
}

/// How the migrations that a database has differ from this program's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// This program's, and not there.
    pub missing: Vec<i64>,
    /// There, and not this program's.
    pub unknown: Vec<i64>,
    /// There with another text.
    pub changed: Vec<i64>,
    /// Begun, and not done.
    pub broken: Vec<i64>,
}

/// Compares a database's migrations with this program's.
pub fn differences(applied: &[AppliedMigration]) -> Differences {
    let own = |version: i64| MIGRATIONS.iter().find(|migration| migration.version == version);
    let versions = |which: &dyn Fn(&AppliedMigration) -> bool| {
        applied.iter().filter(|migration| which(migration)).map(|migration| migration.version).collect()
    };
    Differences {
        missing: MIGRATIONS
            .iter()
            .map(|migration| migration.version)
            .filter(|version| !applied.iter().any(|migration| migration.version == *version))
            .collect(),
        unknown: versions(&|migration| own(migration.version).is_none()),
        changed: versions(&|migration| {
            own(migration.version).is_some_and(|own| *own.checksum != *migration.checksum)
        }),
        broken: versions(&|migration| !migration.success),
    }
}

/// Brings a database to this program's schema, as the role that the URL logs in as. Done already: nothing happens.
/// Several at once wait for each other. Tells how many migrations were applied.
pub async fn migrate(url: &SecretString) -> Result<usize, MigrateError> {
    let mut connection = connect_as_owner(url).await?;
    connection.ensure_migrations_table(&MIGRATIONS.table_name).await?;
    let before = connection.list_applied_migrations(&MIGRATIONS.table_name).await?.len();
    MIGRATIONS.run(&mut connection).await?;
    let after = connection.list_applied_migrations(&MIGRATIONS.table_name).await?.len();
    // The application has to see which version it works on. Both names are constants.
    let grant = format!("GRANT SELECT ON {} TO {APPLICATION_ROLE}", MIGRATIONS.table_name);
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut connection).await?;
    Ok(after.saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_s_own_schema_will_do() {
        let wanted = latest_version();
        assert!(wanted > 0);
        assert_eq!(check_version(Some(wanted)), Ok(()));
        assert_eq!(check_version(None), Err(SchemaMismatch::Missing));
        assert_eq!(check_version(Some(0)), Err(SchemaMismatch::Behind { found: 0, wanted }));
        let newer = check_version(Some(wanted + 1));
        assert_eq!(newer, Err(SchemaMismatch::Unknown { found: wanted + 1, known: wanted }));
    }
}
