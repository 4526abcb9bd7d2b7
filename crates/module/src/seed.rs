//! What a module puts into a development installation.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use sqlx::PgConnection;

/// Called at each start of a development installation, after its shops are there, in a transaction of its own and under a
/// role that sees every row. It leaves what is there already.
pub type Seed =
    Arc<dyn for<'a> Fn(&'a mut PgConnection, DateTime<Utc>) -> BoxFuture<'a, sqlx::Result<()>> + Send + Sync>;
