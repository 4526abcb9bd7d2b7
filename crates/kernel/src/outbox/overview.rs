//! The state of the outbox, for the operator.

use chrono::{DateTime, Utc};

use super::store;
use crate::database::Database;
use crate::fault::Fault;

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

pub async fn backlog(database: &Database, now: DateTime<Utc>) -> Result<Backlog, Fault> {
    let mut tx = database.platform_tx().await?;
    let backlog = store::backlog(tx.connection(), now).await?;
    tx.commit().await?;
    Ok(backlog)
}
