//! The schema: the migrations in this program, and whether a database has them.

use primetech_actors::database::inspection::AppliedMigration;
use primetech_actors::database::{APPLICATION_ROLE, SchemaVersion, connect_as_owner};
use primetech_actors::fault::Fault;
use primetech_module::Migrations;
use secrecy::SecretString;
use sqlx::migrate::{Migrate, Migrator};
use sqlx::{AssertSqlSafe, PgConnection};

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
    #[error(
        "the database's schema is at version {found}: what this program (at {known}) does not know was taken away in it"
    )]
    Outgrown { found: i64, known: i64 },
    #[error(
        "the schema of the module {module} is at version {found}, this program's at {wanted}: run this program's `migrate`"
    )]
    ModuleBehind { module: &'static str, found: i64, wanted: i64 },
    #[error(
        "the schema of the module {module} is at version {found}: what this program (at {known}) does not know was taken \
         away in it"
    )]
    ModuleOutgrown { module: &'static str, found: i64, known: i64 },
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

/// Whether a database at `found` can be worked on. One that is ahead can, so that a program may be started again during
/// a deploy, and rolled back after it: until a migration takes away what it uses.
pub fn check_version(found: Option<SchemaVersion>) -> Result<(), SchemaMismatch> {
    let known = latest_version();
    match found {
        None => Err(SchemaMismatch::Missing),
        Some(SchemaVersion { newest, .. }) if newest < known => {
            Err(SchemaMismatch::Behind { found: newest, wanted: known })
        }
        Some(SchemaVersion { newest, oldest_known }) if oldest_known > known => {
            Err(SchemaMismatch::Outgrown { found: newest, known })
        }
        Some(_) => Ok(()),
    }
}

/// [`check_version`] of the schema of a module that brings its own migrations.
pub fn check_module(migrations: &Migrations, found: Option<SchemaVersion>) -> Result<(), SchemaMismatch> {
    let (module, known) = (migrations.module, migrations.latest_version());
    let (newest, oldest_known) = found.map_or((0, 0), |found| (found.newest, found.oldest_known));
    if newest < known {
        Err(SchemaMismatch::ModuleBehind { module, found: newest, wanted: known })
    } else if oldest_known > known {
        Err(SchemaMismatch::ModuleOutgrown { module, found: newest, known })
    } else {
        Ok(())
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

/// Compares a database's migrations with those of this program.
pub fn differences(migrator: &Migrator, applied: &[AppliedMigration]) -> Differences {
    let own = |version: i64| migrator.iter().find(|migration| migration.version == version);
    let versions = |which: &dyn Fn(&AppliedMigration) -> bool| {
        applied.iter().filter(|migration| which(migration)).map(|migration| migration.version).collect()
    };
    Differences {
        missing: migrator
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

/// Brings a database to the product's schema, as the role that the URL logs in as. Done already: nothing happens.
/// Several at once wait for each other. Tells how many migrations were applied.
pub async fn migrate(url: &SecretString) -> Result<usize, MigrateError> {
    migrate_with(url, &[]).await
}

/// [`migrate`], then the same for the modules that bring their own migrations.
pub async fn migrate_with(url: &SecretString, modules: &[Migrations]) -> Result<usize, MigrateError> {
    let mut connection = connect_as_owner(url).await?;
    let mut applied = apply(&mut connection, &MIGRATIONS).await?;
    for module in modules {
        applied += apply(&mut connection, module.migrator()).await?;
    }
    Ok(applied)
}

async fn apply(connection: &mut PgConnection, migrator: &Migrator) -> Result<usize, MigrateError> {
    connection.ensure_migrations_table(&migrator.table_name).await?;
    let before = connection.list_applied_migrations(&migrator.table_name).await?.len();
    migrator.run(&mut *connection).await?;
    let after = connection.list_applied_migrations(&migrator.table_name).await?.len();
    // The application has to see which version it works on. Both names are constants.
    let grant = format!("GRANT SELECT ON {} TO {APPLICATION_ROLE}", migrator.table_name);
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut *connection).await?;
    Ok(after.saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_worked_on_until_what_the_program_uses_is_taken_away() {
        let known = latest_version();
        assert!(known > 0);
        let at = |newest: i64, oldest_known: i64| Some(SchemaVersion { newest, oldest_known });
        assert_eq!(check_version(at(known, 0)), Ok(()));
        assert_eq!(check_version(None), Err(SchemaMismatch::Missing));
        assert_eq!(check_version(at(0, 0)), Err(SchemaMismatch::Behind { found: 0, wanted: known }));
        assert_eq!(
            check_version(at(known + 2, known)),
            Ok(()),
            "expanded, and contracted for older programs only"
        );
        let outgrown = check_version(at(known + 2, known + 1));
        assert_eq!(outgrown, Err(SchemaMismatch::Outgrown { found: known + 2, known }));
    }

    #[test]
    fn a_migration_that_contracts_leaves_the_program_before_it_working() {
        for migration in MIGRATIONS.iter() {
            let Some(from) = migration.description.strip_prefix("contract from ") else { continue };
            let from: i64 = from.split(' ').next().unwrap_or_default().parse().unwrap_or(migration.version);
            assert!(from < migration.version, "{} {}", migration.version, migration.description);
        }
    }
}
