//! `primetech migrate`: needs only DATABASE_URL, of a role that may change the schema.

use std::process::ExitCode;

use super::failure::Failure;
use super::output;
use crate::config::database_url;
use crate::schema::{self, MigrateError};

pub(super) fn run() -> ExitCode {
    match migrate() {
        Ok(applied) => {
            output::say(&format!(
                "applied {applied} migrations; the schema is at version {}",
                schema::latest_version()
            ));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output::say(&failure.to_string());
            failure.exit_code()
        }
    }
}

fn migrate() -> Result<usize, Failure> {
    let url = database_url()?;
    actix_web::rt::System::new().block_on(schema::migrate(&url)).map_err(|error| match error {
        MigrateError::Connect(fault) => fault.into(),
        refusal => Failure::refused(refusal),
    })
}
