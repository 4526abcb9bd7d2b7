//! `primetech migrate`: needs DATABASE_URL only, of a role that may change the schema.

use std::process::ExitCode;

use super::fail;
use crate::config::database_url;
use crate::schema;

pub(super) fn run() -> ExitCode {
    let url = match database_url() {
        Ok(url) => url,
        Err(faults) => return fail(faults),
    };
    match actix_web::rt::System::new().block_on(schema::migrate(&url)) {
        Ok(applied) => {
            eprintln!(
                "primetech: {applied} migrations applied; the schema is at {}",
                schema::latest_version()
            );
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}
