//! Whether this process should get requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use primetech_actors::system::Actors;
use primetech_module::Shared;

use crate::error::{ApiError, Code};
use crate::schema;

/// How long the database may take to say that it is there: shorter than a load balancer waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shared by the workers of a process.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    stopping: AtomicBool,
    /// The schema was found to be one that this program can work on. It may move ahead after that: schema changes are
    /// made so that the programs that are still running go on working.
    schema_known: AtomicBool,
}

impl Readiness {
    /// From here on the process is not ready any more.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    pub(super) async fn check(&self, actors: &Actors, modules: &Shared) -> Result<(), ApiError> {
        if self.is_stopping() {
            return Err(ApiError::new(Code::OVERLOADED).message("This process is shutting down."));
        }
        if !actors.are_running() || !modules.are_running() {
            return Err(ApiError::new(Code::OVERLOADED)
                .message("This process is not ready yet.")
                .caused_by("an actor is not running"));
        }
        match tokio::time::timeout(PATIENCE, self.check_database(actors, modules)).await {
            Ok(verdict) => verdict,
            Err(_) => {
                Err(ApiError::new(Code::DATABASE_UNAVAILABLE)
                    .caused_by("the database did not answer in time"))
            }
        }
    }

    async fn check_database(&self, actors: &Actors, modules: &Shared) -> Result<(), ApiError> {
        let unavailable = |cause: String| ApiError::new(Code::DATABASE_UNAVAILABLE).caused_by(cause);
        // Also where the database answers and is not as it must be, it cannot serve.
        actors.database.check().await.map_err(|fault| unavailable(fault.to_string()))?;
        if self.0.schema_known.load(Ordering::Acquire) {
            return Ok(());
        }
        let version = async |history: &str| {
            let version = actors.database.schema_version(history).await;
            version.map_err(|fault| unavailable(fault.to_string()))
        };
        let found = version(&schema::MIGRATIONS.table_name).await?;
        schema::check_version(found).map_err(|mismatch| unavailable(mismatch.to_string()))?;
        for migrations in modules.migrations() {
            let found = version(migrations.history()).await?;
            schema::check_module(migrations, found).map_err(|mismatch| unavailable(mismatch.to_string()))?;
        }
        self.0.schema_known.store(true, Ordering::Release);
        Ok(())
    }
}
