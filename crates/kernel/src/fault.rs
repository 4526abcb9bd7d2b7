//! The failures below every domain: the database, the load, an unknown outcome.

use std::sync::Arc;

/// A failure that is nobody's mistake. Domain errors carry it beside their own refusals.
///
/// `DatabaseUnavailable` and `Overloaded` promise that nothing was written. `OutcomeUnknown` promises nothing: the
/// work may or may not have been committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    #[error("the database cannot be reached: {0}")]
    DatabaseUnavailable(Arc<str>),
    #[error("the outcome is unknown: the connection was lost while committing")]
    OutcomeUnknown,
    #[error("too many requests are waiting")]
    Overloaded,
    #[error("{0}")]
    Internal(Arc<str>),
}

impl Fault {
    pub fn internal(message: impl Into<Arc<str>>) -> Self {
        Self::Internal(message.into())
    }
}

/// How a failed statement is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The connection is gone or was never there, or the server is out of what it needs: no fault of the statement's.
    Connection,
    /// PostgreSQL gave up in favour of another transaction; the same work may succeed now.
    Conflict,
    /// The statement itself: one of its rows cannot be written.
    Statement,
}

pub fn kind_of(error: &sqlx::Error) -> FailureKind {
    match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            // serialization_failure, deadlock_detected, lock_not_available
            Some("40001" | "40P01" | "55P03") => FailureKind::Conflict,
            // shutting down, crashed, starting up; writes refused by a standby; the disk cannot be written
            Some("57P01" | "57P02" | "57P03" | "25006" | "58030") => FailureKind::Connection,
            // connection exceptions; a full disk, no memory, too many connections
            Some(code) if code.starts_with("08") || code.starts_with("53") => FailureKind::Connection,
            _ => FailureKind::Statement,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => FailureKind::Connection,
        _ => FailureKind::Statement,
    }
}

/// For a failure before any COMMIT was sent: certainly nothing was written.
impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        match kind_of(&error) {
            FailureKind::Connection => Self::DatabaseUnavailable(error.to_string().into()),
            FailureKind::Conflict => Self::Overloaded,
            FailureKind::Statement => Self::Internal(format!("database: {error}").into()),
        }
    }
}
