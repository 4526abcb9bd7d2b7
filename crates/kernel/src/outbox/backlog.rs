//! How much waits in the outbox.

use chrono::{DateTime, Utc};

/// The state of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Backlog {
    /// Given up after the last try.
    pub dead: i64,
    /// Due, and not delivered yet.
    pub due: i64,
    /// Since when the first of them is due.
    pub due_since: Option<DateTime<Utc>>,
}
