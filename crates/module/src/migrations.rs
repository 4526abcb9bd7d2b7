//! The migrations that a module brings itself.

use std::sync::Arc;

use sqlx::migrate::Migrator;

/// A module's migrations, with a history table of their own: their versions have nothing to do with those of the product
/// or of another module.
#[derive(Clone)]
pub struct Migrations {
    pub module: &'static str,
    migrator: Arc<Migrator>,
}

impl Migrations {
    /// The history table is `_migrations_<module>`.
    pub(crate) fn of(module: &'static str, mut migrator: Migrator) -> Self {
        migrator.dangerous_set_table_name(format!("_migrations_{}", module.replace('-', "_")));
        Self { module, migrator: Arc::new(migrator) }
    }

    pub fn migrator(&self) -> &Migrator {
        &self.migrator
    }

    /// The table of those that were applied.
    pub fn history(&self) -> &str {
        &self.migrator.table_name
    }

    /// The newest of them, or 0.
    pub fn latest_version(&self) -> i64 {
        self.migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
    }
}
