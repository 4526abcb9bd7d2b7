//! `primetech migrate`: needs only DATABASE_URL, of a role that may change the schema.

use std::process::ExitCode;

use primetech_module::Migrations;

use super::failure::Failure;
use super::output;
use crate::config::database_url;
use crate::schema::{self, MigrateError};

pub(super) fn run(modules: &[Migrations]) -> ExitCode {
    match migrate(modules) {
        Ok(applied) => {
            let mut told = format!(
                "applied {applied} migrations; the schema is at version {}",
                schema::latest_version()
            );
            for migrations in modules {
                let (module, version) = (migrations.module, migrations.latest_version());
                told.push_str(&format!(", that of {module} at {version}"));
            }
            output::say(&told);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output::say(&failure.to_string());
            failure.exit_code()
        }
    }
}

fn migrate(modules: &[Migrations]) -> Result<usize, Failure> {
    let url = database_url()?;
    let migrated = actix_web::rt::System::new().block_on(schema::migrate_with(&url, modules));
    migrated.map_err(|error| match error {
        MigrateError::Connect(fault) => fault.into(),
        refusal => Failure::refused(refusal),
    })
}
