//! Delivers the outbox. Runs in every process; a lease in each row keeps two from taking the same message.
//!
//! A process delivers several messages at a time, and takes one only when it can begin to deliver it: a message that a
//! person waits for never stands behind others that are taken already.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use uuid::Uuid;

use super::signal::OutboxSignal;
use super::store::{self, DueMessage, Lease};
use super::turns::{Room, Turns};
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

/// Messages that a process delivers at the same time. Mail servers bound the connections of one client.
const AT_ONCE: usize = 8;

/// Of these, for messages that a person waits for.
const RESERVED: usize = 2;

/// Of a lease, what is left to write the outcome down. A delivery ends before: another process may not begin to deliver
/// the next message of a subject while this one is still at it.
const RESERVE: Duration = Duration::from_secs(30);

/// What deliveries under way get to end in when the process is told to.
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

/// Deliveries under way.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    leases: HashMap<task::Id, Lease>,
}

impl UnderWay {
    fn room(&self) -> Room {
        let unhurried = self.leases.values().filter(|lease| !lease.message.urgent).count();
        let any = AT_ONCE.saturating_sub(self.leases.len());
        Room { any, unhurried: (AT_ONCE - RESERVED).saturating_sub(unhurried).min(any) }
    }

    fn begin(&mut self, lease: Lease, delivery: impl Future<Output = ()> + 'static) {
        let task = self.tasks.spawn_local(delivery);
        self.leases.insert(task.id(), lease);
    }

    /// Waits until one has ended, and notes all that have. To be asked only while there are any.
    async fn some_end(&mut self) {
        let mut ended = self.tasks.join_next_with_id().await;
        while let Some(one) = ended {
            let id = match one {
                Ok((id, ())) => id,
                // The lease ends by itself, and the message is tried again.
                Err(error) => {
                    tracing::error!(%error, "a delivery ended without an outcome");
                    error.id()
                }
            };
            self.leases.remove(&id);
            ended = self.tasks.try_join_next_with_id();
        }
    }
}

impl<D: Destination> Courier<D> {
    /// Delivers until `stop` turns true. What is being delivered then is finished first, if that is soon; the rest is
    /// given back, for another process to take at once.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let courier = Arc::new(self);
        let mut turns = Turns::default();
        let mut under_way = UnderWay::default();
        while !*stop.borrow() {
            if let Err(error) = courier.take(&mut turns, &mut under_way).await {
                tracing::warn!(%error, "the outbox cannot be read");
            }
            let has_room = under_way.room().any > 0;
            tokio::select! {
                () = under_way.some_end(), if !under_way.tasks.is_empty() => {}
                () = courier.signal.raised(), if has_room => {}
                () = tokio::time::sleep(courier.settings.interval), if has_room => {}
                // An error means that nobody is left to tell it to stop.
                told = stop.changed() => if told.is_err() { break },
            }
        }
        courier.end(under_way).await;
    }

    /// Takes messages that are due, as many as there is room for, and begins to deliver them.
    async fn take(self: &Arc<Self>, turns: &mut Turns, under_way: &mut UnderWay) -> sqlx::Result<()> {
        turns.begin_round();
        let mut found_any = false;
        while under_way.room().any > 0 {
            let now = self.clock.now();
            let until = now + self.settings.lease;
            let mut tx = self.database.platform_tx().await?;
            let seen = store::walk(&mut tx, now, turns.cursors()).await?;
            let shares = turns.choose(seen, under_way.room());
            let mut leased = Vec::new();
            if !shares.is_empty() {
                let locked = store::lock_due(&mut tx, now, &shares).await?;
                if !locked.is_empty() {
                    found_any = true;
                    leased = store::lease(&mut tx, now, until, &locked).await?;
                }
            }
            tx.commit().await?;
            for message in leased {
                let (lease, courier) = (Lease { message, until }, Arc::clone(self));
                under_way.begin(lease.clone(), async move { courier.deliver(&lease).await });
            }
            if turns.round_is_over() {
                // A queue may have more than its share, for which there was no room in this round.
                if !std::mem::take(&mut found_any) {
                    break;
                }
                turns.begin_round();
            }
        }
        Ok(())
    }

    async fn end(&self, mut under_way: UnderWay) {
        let all_end = async {
            while !under_way.tasks.is_empty() {
                under_way.some_end().await;
            }
        };
        // What has not ended by then is given back.
        let _ended = tokio::time::timeout(ENDING, all_end).await;
        under_way.tasks.shutdown().await;
        let left: Vec<Lease> = under_way.leases.into_values().collect();
        if !left.is_empty()
            && let Err(error) = self.give_back(&left).await
        {
            tracing::warn!(%error, "messages that were taken cannot be given back: others wait for their leases to end");
        }
    }

    /// Leaves messages to others, as if they had not been taken.
    async fn give_back(&self, leases: &[Lease]) -> sqlx::Result<()> {
        let last = leases.iter().map(|lease| lease.until).max();
        loop {
            let given_back = async {
                let mut tx = self.database.platform_tx().await?;
                store::give_back(&mut tx, leases, self.clock.now()).await?;
                tx.commit().await
            };
            match given_back.await {
                Err(error) if last.is_none_or(|last| self.clock.now() >= last) => return Err(error),
                Err(_) => tokio::time::sleep(WRITE_PAUSE).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn deliver(&self, lease: &Lease) {
        let message = &lease.message;
        let scope = TenantScope::proven(message.tenant_id);
        let delivery = Delivery {
            scope,
            viewer: Viewer::of_platform(scope),
            id: message.id,
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            created_at: message.created_at,
        };
        let limit = self.settings.lease.to_std().unwrap_or_default().saturating_sub(RESERVE);
        let delivered = AssertUnwindSafe(self.destination.deliver(delivery)).catch_unwind();
        let outcome = match tokio::time::timeout(limit, delivered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(DeliveryError::Temporary("the delivery panicked".to_owned())),
            Err(_) => Err(DeliveryError::Temporary(format!("not delivered within {} s", limit.as_secs()))),
        };
        if let Err(error) = &outcome {
            let (topic, attempts) = (&message.topic, message.attempts);
            let dead = self.next_attempt(message, error).is_none();
            tracing::warn!(%error, %topic, message = %message.id, attempts, dead, "a message was not delivered");
            metrics::counter!("outbox_failures_total", "dead" => if dead { "true" } else { "false" })
                .increment(1);
        }
        // What was sent and not written down is sent again: so it is tried while nobody else takes the message.
        while let Err(error) = self.write_down(lease, &outcome).await {
            if self.clock.now() >= lease.until {
                tracing::warn!(%error, message = %message.id, "what became of a delivery cannot be written down");
                return;
            }
            tokio::time::sleep(WRITE_PAUSE).await;
        }
        let is_over =
            outcome.as_ref().map_or_else(|error| self.next_attempt(message, error).is_none(), |()| true);
        if is_over && let Err(error) = self.release_next(message).await {
            tracing::warn!(%error, message = %message.id, "the next message of a subject waits longer than it need");
        }
    }

    /// Whether it was sent is written in a transaction of its own: dying before this sends it again, never not at all.
    async fn write_down(&self, lease: &Lease, outcome: &Result<(), DeliveryError>) -> sqlx::Result<()> {
        let message = &lease.message;
        let mut tx = self.database.platform_tx().await?;
        match outcome {
            Ok(()) => {
                let now = self.clock.now();
                // What is delivered is of a topic that the destination knows: there are few.
                metrics::histogram!("outbox_delivery_seconds", "topic" => message.topic.clone())
                    .record((now - message.created_at).as_seconds_f64().max(0.0));
                store::mark_sent(&mut tx, message.tenant_id, message.id, now).await?;
            }
            Err(error) => {
                let next = self.next_attempt(message, error);
                store::mark_failed(&mut tx, lease, &error.to_string(), next).await?;
            }
        }
        tx.commit().await
    }

    /// Calls the next message of a subject, which waited for this one. In a transaction that begins after this one's end
    /// is committed, so that it finds whoever has not seen that end.
    async fn release_next(&self, message: &DueMessage) -> sqlx::Result<()> {
        let (Some(subject), Some(sequence)) = (&message.subject, message.sequence) else { return Ok(()) };
        let mut tx = self.database.platform_tx().await?;
        store::release_next(&mut tx, message.tenant_id, subject, sequence, self.clock.now()).await?;
        tx.commit().await?;
        self.signal.raise();
        Ok(())
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

/// 2, 4, 8 … seconds, at most three hours.
fn backoff(attempts: i32) -> TimeDelta {
    TimeDelta::seconds(2_i64.saturating_pow(attempts.clamp(1, 30).unsigned_abs()).min(3 * 3600))
}
