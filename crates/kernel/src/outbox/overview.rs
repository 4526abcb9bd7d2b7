//! The state of the outbox, for the operator.

use chrono::{DateTime, Utc};

use super::store;
use crate::database::Database;
use crate::fault::Fault;

pub use super::backlog::Backlog;

pub async fn backlog(database: &Database, now: DateTime<Utc>) -> Result<Backlog, Fault> {
    let mut tx = database.platform_tx().await?;
    let backlog = store::backlog(tx.connection(), now).await?;
    tx.commit().await?;
    Ok(backlog)
}
