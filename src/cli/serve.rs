//! `primetech serve`: the production process. It also starts while the database is unreachable; it is then not ready.

use std::process::ExitCode;

use super::fail;
use crate::app::{Application, Options};
use crate::config::Variables;
use crate::program::Program;
use crate::telemetry;
use crate::termination::Termination;

pub(super) fn run(program: &Program) -> ExitCode {
    let configured = Variables::load().and_then(|variables| program.configure(variables));
    let (config, extend) = match configured {
        Ok(configured) => configured,
        Err(faults) => return fail(faults),
    };
    let telemetry = telemetry::start(config.environment, &config.log);
    raise_open_files_limit();
    let served = actix_web::rt::System::new().block_on(async {
        let termination = Termination::heard();
        let application = Application::build(config, Options { extend, ..Options::default() })?;
        tracing::info!(address = %application.address(), "serving");
        application.run(termination).await?;
        tracing::info!("stopped");
        Ok::<_, crate::app::ServeError>(())
    });
    telemetry.stop();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// As far as the system allows: each connection is an open file, and most systems begin with 1024, for programs that know
/// no better call than `select`.
#[cfg(unix)]
fn raise_open_files_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(not(unix))]
fn raise_open_files_limit() {}
