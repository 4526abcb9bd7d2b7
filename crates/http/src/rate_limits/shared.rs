//! Counters in Redis, for all processes together.
//!
//! Redis is optional: if it is unavailable or slow, a call returns nothing and the caller counts on its own. No
//! request waits for a connection; one task ([`SharedCounters::stay_connected`]) restores it. Each outage is logged
//! once, and its end once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;

use super::policy::{Bucket, Policy, Verdict, Weight};
use super::subject::SubjectHash;

/// How long a request waits for Redis, once in an outage. Redis answers in well under a millisecond.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a new connection may take, names and TLS included. No request waits for it.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// Between two attempts to connect: short at first, longer while Redis stays away.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection that held for so long was a good one: after it the pauses are short again.
const GOOD_CONNECTION: Duration = Duration::from_secs(30);

/// Requests that may be on their way to Redis before the next one waits.
const ON_THE_WAY: usize = 1024;

/// `REDIS_URL` cannot be made sense of. Does not quote it: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("REDIS_URL is not one of Redis")]
pub struct InvalidRedisUrl;

pub(super) struct SharedCounters {
    client: Client,
    script: Script,
    connection: RwLock<Option<Connected>>,
    lost: Notify,
    /// An outage was logged, its end was not yet.
    outage: AtomicBool,
}

#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    /// Tells connections apart, so that a late failure of an old one does not end its successor.
    since: Instant,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Redis(#[from] redis::RedisError),
    #[error("no answer within {} ms", .0.as_millis())]
    Slow(Duration),
}

fn key(bucket: Bucket, subject: &SubjectHash) -> String {
    format!("primetech:rate:{}:{subject}", bucket.name())
}

impl SharedCounters {
    pub fn new(url: &SecretString) -> Result<Self, InvalidRedisUrl> {
        let client = Client::open(url.expose_secret()).map_err(|_| InvalidRedisUrl)?;
        Ok(Self {
            client,
            script: Script::new(include_str!("count.lua")),
            connection: RwLock::new(None),
            lost: Notify::new(),
            outage: AtomicBool::new(false),
        })
    }

    /// None: Redis cannot say.
    pub async fn ask(&self, policy: &Policy, subject: &SubjectHash, weight: Weight) -> Option<Verdict> {
        let connected = self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let key = key(policy.bucket, subject);
        match self.count(connected.connection.clone(), &key, policy, weight, PATIENCE).await {
            Ok(verdict) => Some(verdict),
            Err(failure) => {
                self.lose(&connected, &failure);
                None
            }
        }
    }

    /// Where Redis is away its count stays, until the window has passed.
    pub async fn forget(&self, bucket: Bucket, subject: &SubjectHash) {
        let connected = self.connection.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(connected) = connected else { return };
        let mut connection = connected.connection.clone();
        let mut delete = redis::cmd("DEL");
        delete.arg(key(bucket, subject));
        let failure = match tokio::time::timeout(PATIENCE, delete.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Failure::Redis(error),
            Err(_) => Failure::Slow(PATIENCE),
        };
        self.lose(&connected, &failure);
    }

    async fn count(
        &self,
        mut connection: MultiplexedConnection,
        key: &str,
        policy: &Policy,
        weight: Weight,
        patience: Duration,
    ) -> Result<Verdict, Failure> {
        let mut call = self.script.prepare_invoke();
        call.key(key).arg(policy.limit).arg(policy.window_milliseconds());
        call.arg(u8::from(weight == Weight::Counts));
        let answer = tokio::time::timeout(patience, call.invoke_async::<(u8, u32, u64)>(&mut connection));
        let (allowed, remaining, more_after) = answer.await.map_err(|_| Failure::Slow(patience))??;
        Ok(Verdict { allowed: allowed == 1, remaining, more_after: Duration::from_millis(more_after) })
    }

    /// From here on nobody waits for this connection.
    fn lose(&self, failed: &Connected, failure: &Failure) {
        let mut current = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.since == failed.since) {
            *current = None;
            drop(current);
            self.tell_of_outage(failure);
            self.lost.notify_one();
        }
    }

    fn tell_of_outage(&self, failure: &Failure) {
        metrics::gauge!("rate_limits_shared").set(0.0);
        if !self.outage.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                error = %failure,
                "Redis cannot be asked: rate limits are counted by this process alone until it is back"
            );
        }
    }

    fn tell_of_connection(&self) {
        metrics::gauge!("rate_limits_shared").set(1.0);
        if self.outage.swap(false, Ordering::AcqRel) {
            tracing::info!("Redis is back: rate limits are shared again");
        }
    }

    /// Connects, waits until the connection is lost, and starts again. Never ends.
    pub async fn stay_connected(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    let since = Instant::now();
                    // Told before it is used, so that its loss cannot be told first.
                    self.tell_of_connection();
                    *self.connection.write().unwrap_or_else(PoisonError::into_inner) =
                        Some(Connected { connection, since });
                    self.lost.notified().await;
                    if since.elapsed() >= GOOD_CONNECTION {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(failure) => self.tell_of_outage(&failure),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A connection on which the script was seen to work: a Redis that takes connections may still be loading its
    /// data, hang, or refuse to write.
    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_PATIENCE))
            // Each call brings its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(ON_THE_WAY);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = tokio::time::timeout(CONNECT_PATIENCE, connecting)
            .await
            .map_err(|_| Failure::Slow(CONNECT_PATIENCE))??;
        let trial = Policy { bucket: Bucket::Other, limit: u32::MAX, window: Duration::from_millis(1) };
        self.count(connection.clone(), "primetech:rate:trial", &trial, Weight::Counts, CONNECT_PATIENCE)
            .await?;
        Ok(connection)
    }
}
