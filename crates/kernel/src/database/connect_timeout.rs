//! How long to wait for a connection: long while PostgreSQL is busy, briefly if it is unreachable.
//!
//! The pool cannot tell the two apart: in both cases no connection is free. So after a while one waiter asks
//! PostgreSQL itself, on a separate connection, for all waiters. Invariant: the pool's state alone never counts as an
//! unreachable database.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What is waited before PostgreSQL is asked whether it is there.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The same, where it was away a moment ago: the pool may have a connection again.
const WAIT_WHILE_AWAY: Duration = Duration::from_millis(20);
/// For how long an answer is good.
const FRESH: Duration = Duration::from_millis(250);
/// What a new connection may take before that counts as no answer. A refusal counts at once; on an
/// overloaded machine a connection takes seconds although PostgreSQL is there.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    away: bool,
}

/// What is known of PostgreSQL's being there. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ConnectTimeout {
    options: Arc<PgConnectOptions>,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl ConnectTimeout {
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options: Arc::new(options), seen: Arc::default() }
    }

    /// Waits for a connection to be had by `acquire`, which has a limit of its own, or until PostgreSQL is found away:
    /// then with the pool's own error for that, which is not tried again.
    pub async fn wait<T>(&self, acquire: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let mut acquire = pin!(acquire);
        let was_away = self.seen.try_lock().is_ok_and(|seen| seen.is_some_and(|seen| seen.away));
        let mut wait = if was_away { WAIT_WHILE_AWAY } else { FIRST_WAIT };
        loop {
            let find_out = async {
                tokio::time::sleep(wait).await;
                self.is_away().await
            };
            tokio::select! {
                biased;
                acquired = &mut acquire => return acquired,
                away = find_out => if away {
                    return Err(sqlx::Error::PoolTimedOut);
                }
            }
            wait = FIRST_WAIT;
        }
    }

    /// One asks; those that come meanwhile wait for its answer.
    async fn is_away(&self) -> bool {
        let mut seen = self.seen.lock().await;
        match *seen {
            Some(seen) if seen.at.elapsed() < FRESH => seen.away,
            _ => {
                let away = self.probe().await;
                *seen = Some(Seen { at: Instant::now(), away });
                away
            }
        }
    }

    async fn probe(&self) -> bool {
        let ask = async {
            let connection: PgConnection = self.options.connect().await?;
            connection.close().await
        };
        match tokio::time::timeout(PROBE_LIMIT, ask).await {
            Ok(Ok(())) => false,
            // too_many_connections: it is there, and that is why there is none to be had.
            Ok(Err(sqlx::Error::Database(refusal))) => refusal.code().as_deref() != Some("53300"),
            Ok(Err(_)) | Err(_) => true,
        }
    }
}
