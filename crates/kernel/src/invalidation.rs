//! Invalidates the caches of every process: triggers announce changes over LISTEN/NOTIFY, and a cache is trusted only
//! while announcements are known to arrive.
//!
//! Staleness bound: a cache drops a row when its change is announced, milliseconds after the commit. Every process
//! also announces a heartbeat to itself. If none returns for [`SILENCE`], the caches are emptied and bypassed until
//! the channel works again. So no cached row outlives its change by more than a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::database::Database;
use crate::random;

/// The channel that the triggers in `migrations/` announce on.
const CHANNEL: &str = "primetech_cache";

/// How often a process announces that it is still listening.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// How long nothing may be heard before the caches are given up.
const SILENCE: Duration = Duration::from_millis(900);

/// What was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Tenant(Uuid),
    Session(Uuid),
    User(Uuid),
    /// What was counted against an account counts no more. The id is the counter's.
    Cleared(Uuid),
    /// Announcements may have been missed.
    Everything,
}

impl Change {
    fn parse(payload: &str) -> Option<Self> {
        let (kind, id) = payload.split_once(':')?;
        let id = Uuid::parse_str(id).ok()?;
        match kind {
            "tenant" => Some(Self::Tenant(id)),
            "session" => Some(Self::Session(id)),
            "user" => Some(Self::User(id)),
            "cleared" => Some(Self::Cleared(id)),
            _ => None,
        }
    }
}

type Subscriber = Box<dyn Fn(Change) + Send + Sync>;

/// Counts announcements, so that what was read before one is not cached after it.
#[derive(Default)]
pub struct CacheEpoch {
    epoch: AtomicU64,
    heard: AtomicBool,
    subscribers: Mutex<Vec<Subscriber>>,
    // Held while a change is applied and while a value is cached: the two cannot interleave.
    gate: Mutex<()>,
}

impl CacheEpoch {
    pub fn subscribe(&self, subscriber: impl Fn(Change) + Send + Sync + 'static) {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(subscriber));
    }

    /// Whether announcements arrive: only then may a cached value be used.
    pub fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    /// To be taken before a value is read from the database.
    pub fn current(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Caches a value that was read after `epoch` was taken, unless something was announced since.
    pub fn if_unchanged<T>(&self, epoch: u64, cache: impl FnOnce() -> T) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_heard() && self.current() == epoch {
            cache();
        }
    }

    /// Drops from a cache what has just changed. What is being read at this moment is not cached either. For the process
    /// that made the change, which need not wait for its announcement.
    pub fn change<T>(&self, drop_cached: impl FnOnce() -> T) -> T {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        drop_cached()
    }

    fn announce(&self, change: Change) {
        self.change(|| {
            for subscriber in self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                subscriber(change);
            }
        });
    }

    fn set_heard(&self, heard: bool) {
        self.heard.store(heard, Ordering::Release);
        self.announce(Change::Everything);
    }
}

/// Tells all processes that what was counted under `id` counts no more. Nothing in the database tells it.
pub async fn tell_cleared(database: &Database, id: Uuid) -> sqlx::Result<()> {
    let query = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(format!("cleared:{id}"));
    database.wait(query.execute(database.pool())).await?;
    Ok(())
}

/// Listens for ever; ends when the returned task is aborted or the pool is closed.
pub fn listen(database: Database, epoch: Arc<CacheEpoch>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let heartbeat = tokio::spawn(beat(database.clone()));
        while !database.pool().is_closed() {
            if let Err(error) = hear(&database, &epoch).await
                && epoch.is_heard()
            {
                tracing::warn!(%error, "cache announcements cannot be heard; reading from the database until they can");
            }
            epoch.set_heard(false);
            tokio::time::sleep(HEARTBEAT).await;
        }
        heartbeat.abort();
    })
}

async fn hear(database: &Database, epoch: &CacheEpoch) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(database.pool()).await?;
    listener.listen(CHANNEL).await?;
    epoch.set_heard(true);
    loop {
        // A listener that was interrupted while receiving is not used again.
        let received = tokio::time::timeout(SILENCE, listener.try_recv()).await;
        match received {
            Ok(Ok(Some(notification))) => {
                if let Some(change) = Change::parse(notification.payload()) {
                    epoch.announce(change);
                }
            }
            // The connection was lost, or has been silent for too long.
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => return Err(error),
        }
    }
}

/// Announces that this process is alive. On a connection of its own: an exhausted pool must not silence it.
async fn beat(database: Database) {
    let name = format!("alive:{}", random::opaque_id());
    while !database.pool().is_closed() {
        // A heartbeat that cannot be sent is noticed by the one that listens, and told by it.
        if let Ok(mut connection) = PgConnection::connect_with(&database.pool().connect_options()).await {
            while sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(&name)
                .execute(&mut connection)
                .await
                .is_ok()
            {
                tokio::time::sleep(HEARTBEAT).await;
            }
        }
        tokio::time::sleep(HEARTBEAT).await;
    }
}
