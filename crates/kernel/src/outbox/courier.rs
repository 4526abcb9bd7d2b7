//! The courier: delivers the outbox. Every process runs one; a lease in each row keeps two from taking the same
//! message.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::signal::OutboxSignal;
use super::store::{self, DueMessage};
use crate::caller::Viewer;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::tenancy::TenantScope;

/// One message to deliver.
#[derive(Debug)]
pub struct Delivery {
    pub scope: TenantScope,
    /// Sees the tenant's rows, to tell of them.
    pub viewer: Viewer,
    pub id: Uuid,
    pub topic: String,
    pub payload: Value,
    pub created_at: DateTime<Utc>,
}

/// Why a delivery failed, told without secrets or addresses: it is stored and logged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    /// Another try may succeed.
    #[error("{0}")]
    Temporary(String),
    /// No try can: the message is set aside at once.
    #[error("{0}")]
    Permanent(String),
}

/// Takes messages out of the installation: the mailer.
pub trait Destination: Send + Sync + 'static {
    fn deliver(&self, delivery: Delivery) -> impl Future<Output = Result<(), DeliveryError>>;
}

#[derive(Debug, Clone, Copy)]
pub struct CourierSettings {
    /// How often the outbox is looked at without a signal (messages of other processes that died).
    pub interval: Duration,
    /// How long a message is taken for; a process that dies leaves it to others after this.
    pub lease: TimeDelta,
    /// Tries before a message is set aside as DEAD.
    pub max_attempts: i32,
}

impl Default for CourierSettings {
    fn default() -> Self {
        // With the backoff below, fifteen tries span about a day.
        Self { interval: Duration::from_secs(2), lease: TimeDelta::seconds(120), max_attempts: 15 }
    }
}

/// Messages taken at a time. Deliveries go one after the other, within the lease.
const BATCH: i64 = 20;

/// What the delivery under way gets to end in when the process is told to.
const ENDING: Duration = Duration::from_millis(1500);

/// Between two tries to write an outcome down.
const WRITE_PAUSE: Duration = Duration::from_millis(100);

pub struct Courier<D> {
    pub database: Database,
    pub clock: SharedClock,
    pub signal: OutboxSignal,
    pub settings: CourierSettings,
    pub destination: D,
}

impl<D: Destination> Courier<D> {
    /// Delivers until `stop` turns true. What is being delivered then is finished first, if that is soon; the rest is
    /// given back, for another process to take at once.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let delivered = match self.round(&mut stop).await {
                Ok(delivered) => delivered,
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read");
                    0
                }
            };
            if delivered == BATCH as usize {
                continue;
            }
            tokio::select! {
                () = self.signal.raised() => {}
                () = tokio::time::sleep(self.settings.interval) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Delivers what is due now, at most one batch; tells how many messages it took.
    async fn round(&self, stop: &mut watch::Receiver<bool>) -> sqlx::Result<usize> {
        let now = self.clock.now();
        let leased_until = now + self.settings.lease;
        let mut tx = self.database.platform_tx().await?;
        let mut due = store::lease_due(&mut tx, now, leased_until, BATCH).await?;
        tx.commit().await?;
        let taken = due.len();
        // From the end, so that what is left is the beginning.
        due.reverse();
        while let Some(message) = due.last() {
            let delivered = tokio::select! {
                biased;
                delivered = self.deliver(message, leased_until) => delivered,
                () = ending(stop) => {
                    self.give_back(&due, leased_until).await?;
                    return Ok(taken);
                }
            };
            due.pop();
            if let Err(error) = delivered {
                self.give_back(&due, leased_until).await?;
                return Err(error);
            }
        }
        Ok(taken)
    }

    /// Leaves messages to others, as if they had not been taken.
    async fn give_back(&self, messages: &[DueMessage], leased_until: DateTime<Utc>) -> sqlx::Result<()> {
        loop {
            let given_back = async {
                let mut tx = self.database.platform_tx().await?;
                store::give_back(&mut tx, messages, leased_until, self.clock.now()).await?;
                tx.commit().await
            };
            match given_back.await {
                Err(error) if self.clock.now() >= leased_until => return Err(error),
                Err(_) => tokio::time::sleep(WRITE_PAUSE).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn deliver(&self, message: &DueMessage, leased_until: DateTime<Utc>) -> sqlx::Result<()> {
        let scope = TenantScope::proven(message.tenant_id);
        let delivery = Delivery {
            scope,
            viewer: Viewer::of_platform(scope),
            id: message.id,
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            created_at: message.created_at,
        };
        let outcome = self.destination.deliver(delivery).await;
        if let Err(error) = &outcome {
            let (topic, attempts) = (&message.topic, message.attempts);
            let dead = self.next_attempt(message, error).is_none();
            tracing::warn!(%error, %topic, message = %message.id, attempts, dead, "a message was not delivered");
            metrics::counter!("outbox_failures_total", "dead" => if dead { "true" } else { "false" })
                .increment(1);
        }
        // What was sent and not written down is sent again: so it is tried while nobody else takes the message.
        loop {
            match self.write_down(message, &outcome).await {
                Err(error) if self.clock.now() >= leased_until => return Err(error),
                Err(_) => tokio::time::sleep(WRITE_PAUSE).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Whether it was sent is written in a transaction of its own: dying before this sends it again, never not at all.
    async fn write_down(
        &self,
        message: &DueMessage,
        outcome: &Result<(), DeliveryError>,
    ) -> sqlx::Result<()> {
        let DueMessage { tenant_id, id, .. } = message;
        let mut tx = self.database.platform_tx().await?;
        match outcome {
            Ok(()) => {
                let now = self.clock.now();
                // What is delivered is of a topic that the destination knows: there are few.
                metrics::histogram!("outbox_delivery_seconds", "topic" => message.topic.clone())
                    .record((now - message.created_at).as_seconds_f64().max(0.0));
                store::mark_sent(&mut tx, *tenant_id, *id, now).await?;
            }
            Err(error) => {
                let next = self.next_attempt(message, error);
                store::mark_failed(&mut tx, *tenant_id, *id, &error.to_string(), next).await?;
            }
        }
        tx.commit().await
    }

    /// When to try again; none where no try can help any more.
    fn next_attempt(&self, message: &DueMessage, error: &DeliveryError) -> Option<DateTime<Utc>> {
        match error {
            DeliveryError::Temporary(_) if message.attempts < self.settings.max_attempts => {
                Some(self.clock.now() + backoff(message.attempts))
            }
            _ => None,
        }
    }
}

/// Done a while after the process was told to end.
async fn ending(stop: &mut watch::Receiver<bool>) {
    // An error means that the process ends without a word. Dropped at once: it keeps the channel from being sent to.
    drop(stop.wait_for(|stop| *stop).await);
    tokio::time::sleep(ENDING).await;
}

/// 2, 4, 8 … seconds, at most three hours.
fn backoff(attempts: i32) -> TimeDelta {
    TimeDelta::seconds(2_i64.saturating_pow(attempts.clamp(1, 30).unsigned_abs()).min(3 * 3600))
}
