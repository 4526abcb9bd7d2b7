//! Opens connections on the runtime that ends last.
//!
//! The runtime that opens a connection serves it, and the connection breaks when that runtime ends. The threads that
//! answer requests end one by one while others still answer, so none of them may open a connection that others use.
//! All connections are opened here.

use sqlx::postgres::PgPool;
use tokio::runtime::Handle;

#[derive(Debug, Clone)]
pub(super) struct PoolOpener {
    runtime: Option<Handle>,
    max_connections: u32,
}

impl PoolOpener {
    /// The runtime of the caller, where there is one.
    pub fn here(max_connections: u32) -> Self {
        Self { runtime: Handle::try_current().ok(), max_connections }
    }

    /// Puts another connection into the pool where the next that asks for one would have to open it. One who comes in
    /// between may take it, and then it is opened elsewhere after all: that costs a repetition at the end, at worst.
    pub async fn open_if_none_is_free(&self, pool: &PgPool) -> sqlx::Result<()> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        if pool.num_idle() > 0 || pool.size() >= self.max_connections {
            return Ok(());
        }
        let pool = pool.clone();
        let opened = runtime.spawn(async move { pool.acquire().await.map(drop) }).await;
        // A runtime that has ended opens nothing; the caller opens its own connection.
        opened.unwrap_or(Ok(()))
    }
}
