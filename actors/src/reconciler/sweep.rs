//! The sweep: leases due payments, asks, delivers the resulting events, and schedules the next question.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::events::Pass;
use super::plan;
use super::provider::{self, AskError, Provider, SessionState, Standing};
use super::store::{self, Leased};
use crate::ask::ask;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::database::tx::Tries;
use crate::fault::Fault;
use crate::order::{AttachCheckout, CheckoutView, ListAttempts, OrderActor};
use crate::random;
use crate::shard::Shards;
use crate::tenancy::TenantScope;
use crate::webhook::{Deliver, Handled, WebhookActor, waiting};

/// Payments taken at a time. Asked about four at a time, each for at most half a minute, they stay within the lease.
pub(super) const BATCH: usize = 20;

/// Questions on their way at the same time, of one process.
const ASKED_AT_ONCE: usize = 4;

/// For how long a payment is taken; a process that dies leaves it to others after this.
const LEASE: TimeDelta = TimeDelta::seconds(240);

/// For one payment, whatever has to be asked of it.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Between two full batches: with it one process asks at most ten times a second, a tenth of what the provider allows.
const PACE: Duration = Duration::from_secs(2);

/// A session is made within seconds of its order; the rest is for clocks that differ and for calls that were repeated.
const MADE_BEFORE_ORDER: TimeDelta = TimeDelta::minutes(2);
const MADE_AFTER_ORDER: TimeDelta = TimeDelta::minutes(10);

#[derive(Debug, Clone, Copy)]
pub struct ReconcilerSettings {
    /// How old a payment is when it is first asked about.
    pub after: TimeDelta,
    /// How often due payments are looked for.
    pub every: Duration,
}

/// What came of asking about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    Paid,
    /// The money did not come.
    Failed,
    Expired,
    /// It can still be paid.
    Open,
    /// The money is on its way.
    Awaiting,
    /// What the provider tells does not fit the order: the event is stored as failed.
    Mismatch,
    /// The provider does not know the session.
    Missing,
    /// The order has no session, and may still get one.
    NoSession,
    /// It was told before.
    Unchanged,
    /// The provider could not be asked.
    Unavailable,
    /// What followed could not be written; it is asked about again.
    NotWritten,
    /// A refund of a paid order, whole or in part, that was not heard of.
    Refunded,
    /// A refund that failed later, which was not heard of.
    RefundFailed,
    /// A dispute that was not heard of.
    Disputed,
    /// The end of a dispute that was not heard of.
    DisputeClosed,
}

impl Outcome {
    pub const ALL: [Self; 11] = [
        Self::Paid,
        Self::Failed,
        Self::Expired,
        Self::Open,
        Self::Awaiting,
        Self::Mismatch,
        Self::Missing,
        Self::NoSession,
        Self::Unchanged,
        Self::Unavailable,
        Self::NotWritten,
    ];

    /// As it is told to the operator; in lower case it is a label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Open => "open",
            Self::Awaiting => "awaiting",
            Self::Mismatch => "mismatch",
            Self::Missing => "missing",
            Self::NoSession => "no_session",
            Self::Unchanged => "unchanged",
            Self::Unavailable => "unavailable",
            Self::NotWritten => "not_written",
            Self::Refunded => "refunded",
            Self::RefundFailed => "refund_failed",
            Self::Disputed => "disputed",
            Self::DisputeClosed => "dispute_closed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name().to_ascii_uppercase())
    }
}

/// Asks about payments, in one process. Whatever it does can be done by several at the same time.
pub struct Reconciler<P> {
    pub(super) database: Database,
    pub(super) clock: SharedClock,
    pub(super) webhooks: Shards<WebhookActor>,
    orders: Shards<OrderActor>,
    pub(super) provider: P,
    pub(super) settings: ReconcilerSettings,
    /// Whether the provider could not be asked the last time.
    pub(super) is_away: AtomicBool,
}

impl<P: Provider> Reconciler<P> {
    pub fn new(
        database: Database,
        clock: SharedClock,
        webhooks: Shards<WebhookActor>,
        orders: Shards<OrderActor>,
        provider: P,
        settings: ReconcilerSettings,
    ) -> Self {
        let is_away = AtomicBool::new(false);
        Self { database, clock, webhooks, orders, provider, settings, is_away }
    }

    /// Sweeps until `stop` turns true; what is being asked then is left to another process, at once.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        // Processes that start together do not stay together.
        let mut pause = self.settings.every.mul_f64(spread());
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => continue,
            }
            let taken = match self.round(&mut stop).await {
                Ok(taken) => taken,
                Err(fault) => {
                    tracing::warn!(error = %fault, "pending payments cannot be looked for");
                    0
                }
            };
            if let Err(fault) = waiting::give_up(&self.database, &self.clock).await {
                tracing::warn!(error = %fault, "events that wait for payments cannot be given up");
            }
            let pass = self.hear_events().await.unwrap_or_else(|fault| {
                tracing::warn!(error = %fault, "refunds and disputes cannot be asked for");
                Pass::Away
            });
            let more = (taken == BATCH || pass == Pass::More) && !self.is_away.load(Ordering::Relaxed);
            pause = if more { PACE } else { self.settings.every.mul_f64(0.9 + spread() / 5.0) };
        }
    }

    /// Asks about what is due now, at most one batch; tells how many payments it took.
    ///
    /// While the provider is away one payment is taken, to find out whether it is back.
    async fn round(&self, stop: &mut watch::Receiver<bool>) -> Result<usize, Fault> {
        let now = self.clock.now();
        let at_most = if self.is_away.load(Ordering::Relaxed) { 1 } else { BATCH as i64 };
        let until = now + LEASE;
        let mut tx = self.database.reconciler_tx().await?;
        let never_asked_before = now - self.settings.after;
        let due = store::lease_due(tx.connection(), now, until, never_asked_before, at_most).await?;
        let oldest = store::oldest_pending(tx.connection()).await?;
        tx.commit().await?;
        let age = oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
        metrics::gauge!("payments_oldest_pending_seconds").set(age);
        let taken = due.len();
        tokio::select! {
            biased;
            asked = self.ask_about(due.clone(), until) => drop(asked?),
            () = told_to_end(stop) => self.give_back_unasked(&due, until).await?,
        }
        Ok(taken)
    }

    async fn give_back_unasked(&self, payments: &[Leased], until: DateTime<Utc>) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut tries = Tries::new();
        loop {
            let given_back = async {
                let mut tx = self.database.reconciler_tx().await?;
                for payment in payments {
                    store::give_back(tx.connection(), payment, until, now).await?;
                }
                tx.commit().await
            };
            match given_back.await {
                Ok(()) => return Ok(()),
                Err(error) => tries.again_after(error)?,
            }
        }
    }

    /// Takes those of `ids` that no one else is asking about, and asks.
    pub(super) async fn ask_about_chosen(
        &self,
        ids: &[(Uuid, Uuid)],
    ) -> Result<Vec<(Leased, Outcome)>, Fault> {
        let now = self.clock.now();
        let until = now + LEASE;
        let mut tx = self.database.reconciler_tx().await?;
        let leased = store::lease_chosen(tx.connection(), now, until, ids).await?;
        tx.commit().await?;
        self.ask_about(leased, until).await
    }

    async fn ask_about(
        &self,
        payments: Vec<Leased>,
        until: DateTime<Utc>,
    ) -> Result<Vec<(Leased, Outcome)>, Fault> {
        // Nobody asks on once the provider was found away: what is left is given back unasked.
        let found_away = AtomicBool::new(false);
        let asked = futures_util::stream::iter(payments).map(|payment| {
            let found_away = &found_away;
            async move {
                let now = self.clock.now();
                if found_away.load(Ordering::Relaxed) || now >= until {
                    return (payment, Outcome::Unavailable, plan::next_after_outage(now, spread()));
                }
                let (outcome, next) = self.ask_about_one(&payment).await;
                if outcome == Outcome::Unavailable {
                    found_away.store(true, Ordering::Relaxed);
                }
                metrics::counter!("reconciled_total", "outcome" => outcome.name()).increment(1);
                (payment, outcome, next)
            }
        });
        let asked: Vec<_> = asked.buffer_unordered(ASKED_AT_ONCE).collect().await;
        let mut outcomes = Vec::with_capacity(asked.len());
        let mut tx = self.database.reconciler_tx().await?;
        for (payment, outcome, next) in asked {
            store::give_back(tx.connection(), &payment, until, next).await?;
            outcomes.push((payment, outcome));
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    /// Asks, delivers what follows, and tells when to ask again where nothing is settled.
    async fn ask_about_one(&self, payment: &Leased) -> (Outcome, DateTime<Utc>) {
        let asked = tokio::time::timeout(ASK_LIMIT, self.session_of(payment)).await;
        let found = asked.unwrap_or_else(|_| Err(AskError::Unavailable("no answer in time".to_owned())));
        let now = self.clock.now();
        match &found {
            Err(AskError::Unavailable(reason)) => self.note_away(reason),
            Ok(_) | Err(AskError::Missing) => self.note_answer(),
        }
        match found {
            Err(AskError::Unavailable(_)) => (Outcome::Unavailable, plan::next_after_outage(now, spread())),
            Err(AskError::Missing) => {
                tracing::warn!(order = %payment.order_id, "the payment provider does not know an order's session");
                (Outcome::Missing, plan::next_of_unsettled(now, spread()))
            }
            Ok(None) if plan::is_abandoned(now, payment.attempted_at) => {
                let event = provider::abandoned(payment.tenant_id, payment.order_id);
                self.deliver(event, Outcome::Expired).await
            }
            Ok(None) => (Outcome::NoSession, plan::next_of_sessionless(payment.attempted_at, spread())),
            Ok(Some(session)) => self.settle(payment, &session).await,
        }
    }

    /// The session that decides about the payment: of several attempts' sessions the one that is paid, else one that can
    /// still be paid, else the present attempt's.
    async fn session_of(&self, payment: &Leased) -> Result<Option<SessionState>, AskError> {
        if payment.attempt == 1 {
            return match &payment.session_id {
                Some(session_id) => self.provider.session(session_id).await.map(Some),
                None => Ok(most_decisive(self.lost_sessions(payment, payment.attempted_at).await?, None)),
            };
        }
        let scope = TenantScope::proven(payment.tenant_id);
        let list = ListAttempts { scope, order_id: payment.order_id };
        let attempts = ask(self.orders.of(&scope), list).await;
        let attempts = attempts.map_err(|fault| AskError::Unavailable(fault.to_string()))?;
        let mut sessions = Vec::new();
        for attempt in attempts {
            match &attempt.session_id {
                Some(session_id) => match self.provider.session(session_id).await {
                    Ok(session) => sessions.push(session),
                    // One that was given up need not be there.
                    Err(AskError::Missing) if payment.session_id.as_ref() != Some(session_id) => {}
                    Err(error) => return Err(error),
                },
                None => sessions.extend(self.lost_sessions(payment, attempt.started_at).await?),
            }
        }
        Ok(most_decisive(sessions, Some(payment)))
    }

    /// Sessions that may have been made by an attempt of this time, and whose answer was lost on the way here.
    async fn lost_sessions(
        &self,
        payment: &Leased,
        attempted_at: DateTime<Utc>,
    ) -> Result<Vec<SessionState>, AskError> {
        let made = attempted_at - MADE_BEFORE_ORDER..=attempted_at + MADE_AFTER_ORDER;
        let mut found = self.provider.find_sessions(payment.order_id, made).await?;
        found.retain(|session| session.named == Some((payment.tenant_id, payment.order_id)));
        Ok(found)
    }

    async fn settle(&self, payment: &Leased, session: &SessionState) -> (Outcome, DateTime<Utc>) {
        let outcome = match session.standing {
            Standing::Paid { .. } => Outcome::Paid,
            Standing::Failed => Outcome::Failed,
            Standing::Expired => Outcome::Expired,
            Standing::Open => Outcome::Open,
            Standing::Awaiting | Standing::Unknown => Outcome::Awaiting,
        };
        if let Some(event) = provider::event_of(session) {
            return self.deliver(event, outcome).await;
        }
        let now = self.clock.now();
        if payment.session_id.is_none()
            && let Some(url) = &session.url
            && let Err(fault) = self.attach(payment, session, url).await
        {
            tracing::warn!(error = %fault, order = %payment.order_id, "a session that was found could not be noted");
            return (Outcome::NotWritten, plan::next_after_outage(now, spread()));
        }
        let expires_at = payment.expires_at.unwrap_or(session.expires_at);
        let is_open = outcome == Outcome::Open;
        let next = plan::next_of_session(
            now,
            payment.created_at,
            expires_at,
            is_open,
            self.settings.after,
            spread(),
        );
        (outcome, next)
    }

    async fn attach(&self, payment: &Leased, session: &SessionState, url: &str) -> Result<(), Fault> {
        let scope = TenantScope::proven(payment.tenant_id);
        let checkout = CheckoutView {
            session_id: session.session_id.clone(),
            url: url.to_owned(),
            expires_at: session.expires_at,
        };
        let attach =
            AttachCheckout { scope, order_id: payment.order_id, attempt: None, checkout, answer: None };
        ask(self.orders.of(&scope), attach).await
    }

    /// Delivers an event as the provider would have. `outcome` is what it comes to where it succeeds.
    async fn deliver(&self, event: Value, outcome: Outcome) -> (Outcome, DateTime<Utc>) {
        let payload = event.to_string();
        let handled = ask(self.webhooks.of(&payload), Deliver { payload }).await;
        let now = self.clock.now();
        match handled {
            Ok(Handled::Processed | Handled::Ignored | Handled::Waiting) => {
                (outcome, plan::next_of_unsettled(now, spread()))
            }
            Ok(Handled::Failed) => (Outcome::Mismatch, plan::next_of_unsettled(now, spread())),
            Ok(Handled::Duplicate) => (Outcome::Unchanged, plan::next_of_unsettled(now, spread())),
            Err(fault) => {
                tracing::warn!(error = %fault, "what the payment provider answered could not be written");
                (Outcome::NotWritten, plan::next_after_outage(now, spread()))
            }
        }
    }

    /// One line an outage, not one a payment.
    pub(super) fn note_away(&self, reason: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%reason, "the payment provider cannot be asked about payments; asking on, seldom");
        }
    }

    pub(super) fn note_answer(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!("the payment provider can be asked again");
        }
    }
}

/// Of an order's sessions the one that counts. `attempted`: the payment had several attempts, of which an earlier one's end
/// says nothing while the present one may still come to a session.
fn most_decisive(sessions: Vec<SessionState>, attempted: Option<&Leased>) -> Option<SessionState> {
    let is_present = |session: &SessionState| {
        attempted.is_none_or(|payment| payment.session_id.as_deref() == Some(session.session_id.as_str()))
    };
    let rank = |session: &SessionState| match session.standing {
        Standing::Paid { .. } => 2,
        Standing::Open | Standing::Awaiting | Standing::Unknown => 1,
        Standing::Failed | Standing::Expired => 0,
    };
    let decisive = sessions.into_iter().max_by_key(|session| (rank(session), is_present(session)))?;
    (rank(&decisive) > 0 || is_present(&decisive)).then_some(decisive)
}

async fn told_to_end(stop: &mut watch::Receiver<bool>) {
    // An error means that the process ends without a word. Dropped at once: it keeps the channel from being sent to.
    drop(stop.wait_for(|stop| *stop).await);
}

/// A number from 0 to 1, for what must not happen everywhere at the same moment.
pub(super) fn spread() -> f64 {
    f64::from(random::token_bytes()[0]) / 255.0
}
