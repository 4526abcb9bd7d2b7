//! Delivers the outbox. Runs in every process; a lease in each row keeps two from taking the same message.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::store::{self, DueMessage};
use crate::clock::SharedClock;
use crate::database::Database;
use crate::order::Viewer;
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

/// Whoever takes messages out of the installation (the mailer).
pub trait Destination: Send + Sync + 'static {
    fn deliver(&self, delivery: Delivery) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

/// Wakes the courier of this process: a message was just committed.
#[derive(Debug, Clone, Default)]
pub struct OutboxSignal(Arc<Notify>);

impl OutboxSignal {
    pub fn raise(&self) {
        self.0.notify_one();
    }
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

pub struct Courier<D> {
    pub database: Database,
    pub clock: SharedClock,
    pub signal: OutboxSignal,
    pub settings: CourierSettings,
    pub destination: D,
}

impl<D: Destination> Courier<D> {
    /// Delivers until `stop` turns true; what is being delivered then is finished first.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let delivered = match self.round().await {
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
                () = self.signal.0.notified() => {}
                () = tokio::time::sleep(self.settings.interval) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Delivers what is due now, at most one batch; tells how many messages it took.
    pub async fn round(&self) -> sqlx::Result<usize> {
        let now = self.clock.now();
        let mut tx = self.database.platform_tx().await?;
        let due = store::lease_due(&mut tx, now, now + self.settings.lease, BATCH).await?;
        tx.commit().await?;
        let taken = due.len();
        for message in due {
            self.deliver(message).await?;
        }
        Ok(taken)
    }

    async fn deliver(&self, message: DueMessage) -> sqlx::Result<()> {
        let DueMessage { tenant_id, id, topic, payload, attempts, created_at } = message;
        let scope = TenantScope::proven(tenant_id);
        let delivery = Delivery {
            scope,
            viewer: Viewer::of_platform(scope),
            id,
            topic: topic.clone(),
            payload,
            created_at,
        };
        let outcome = self.destination.deliver(delivery).await;
        let now = self.clock.now();
        // Whether it was sent is written in a transaction of its own: dying before this sends it again, never not at all.
        let mut tx = self.database.platform_tx().await?;
        match outcome {
            Ok(()) => {
                // What is delivered is of a topic that the destination knows: there are few.
                metrics::histogram!("outbox_delivery_seconds", "topic" => topic.clone())
                    .record((now - created_at).as_seconds_f64().max(0.0));
                store::mark_sent(&mut tx, tenant_id, id, now).await?;
            }
            Err(error) => {
                let next = match error {
                    DeliveryError::Temporary(_) if attempts < self.settings.max_attempts => {
                        Some(now + backoff(attempts))
                    }
                    _ => None,
                };
                tracing::warn!(%error, %topic, message = %id, attempts, dead = next.is_none(), "a message was not delivered");
                metrics::counter!("outbox_failures_total", "dead" => if next.is_none() { "true" } else { "false" })
                    .increment(1);
                store::mark_failed(&mut tx, tenant_id, id, &error.to_string(), next).await?;
            }
        }
        tx.commit().await
    }
}

/// 2, 4, 8 … seconds, at most three hours.
fn backoff(attempts: i32) -> TimeDelta {
    TimeDelta::seconds(2_i64.saturating_pow(attempts.clamp(1, 30).unsigned_abs()).min(3 * 3600))
}
