//! Finds refunds and disputes whose events were lost, and delivers these events.
//!
//! The provider lists its events of a period, so one request covers the paid orders of all tenants. A listed event
//! has the same id as its webhook, so it takes effect once.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::plan;
use super::provider::{AskError, Provider, ProviderEvent};
use super::store;
use super::sweep::{Reconciler, spread};
use crate::ask::ask;
use crate::fault::Fault;
use crate::webhook::{Deliver, Handled, overview};

/// What is asked for. Payments have their own question, session by session.
pub const KINDS: &[&str] = &[
    "charge.refunded",
    "refund.failed",
    "refund.updated",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
];

/// For so long the provider keeps events.
/// Source: Stripe, "Retrieve events": those of the last 30 days.
const LOOK_BACK: TimeDelta = TimeDelta::days(30);

/// Asked for once more each time: an event may be listed later than others that were made after it.
const OVERLAP: TimeDelta = TimeDelta::hours(1);

/// The shortest time that is asked for at once, where longer ones hold more than is read.
const SHORTEST_WINDOW: TimeDelta = TimeDelta::minutes(1);

/// Questions in one pass, each of a few pages: what is left is asked for by the next pass.
const QUESTIONS_A_PASS: usize = 24;

/// For one question with all its pages.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Longer than the questions of a pass may take, so that no other process asks meanwhile.
const LEASE: TimeDelta = TimeDelta::minutes(15);

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// It is not the time, or another process is asking.
    NotDue,
    /// All there was is heard.
    Done,
    /// There is more.
    More,
    Away,
}

/// An event that nothing was known of before it was asked for, and what became of it.
pub(super) struct Heard {
    pub event: ProviderEvent,
    pub handled: Result<Handled, Fault>,
}

impl<P: Provider> Reconciler<P> {
    /// One pass, where it is time for one and no other process makes it.
    pub(super) async fn hear_events(&self) -> Result<Pass, Fault> {
        let now = self.clock.now();
        let leased_until = now + LEASE;
        let mut tx = self.database.reconciler_tx().await?;
        let leased = store::lease_events(tx.connection(), now, leased_until).await?;
        tx.commit().await?;
        let Some(heard_until) = leased else { return Ok(Pass::NotDue) };
        let since = (heard_until.map_or(now - LOOK_BACK, |until| until - OVERLAP)).max(now - LOOK_BACK);
        let (heard_until, pass) = self.hear_since(since, now, heard_until).await;
        let now = self.clock.now();
        let next = match pass {
            Pass::Away => plan::next_after_outage(now, spread()),
            Pass::More => now,
            Pass::Done | Pass::NotDue => now + self.settings.after,
        };
        let mut tx = self.database.reconciler_tx().await?;
        store::give_events_back(tx.connection(), leased_until, heard_until, next).await?;
        tx.commit().await?;
        Ok(pass)
    }

    /// Hears from `since` on; tells until when all is heard.
    async fn hear_since(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        heard_until: Option<DateTime<Utc>>,
    ) -> (Option<DateTime<Utc>>, Pass) {
        let mut heard_until = heard_until;
        let mut windows = Windows::new(since, until);
        for _ in 0..QUESTIONS_A_PASS {
            let Some((from, to)) = windows.next() else { return (heard_until, Pass::Done) };
            let events = match self.ask_for_events(from, to).await {
                Ok(Some(events)) => events,
                Ok(None) if windows.narrow() => continue,
                Ok(None) => {
                    tracing::warn!(%from, %to, "more refunds and disputes than can be asked for at once");
                    return (heard_until, Pass::Away);
                }
                Err(error) => {
                    self.note_away(&error.to_string());
                    return (heard_until, Pass::Away);
                }
            };
            self.note_answer();
            let heard = match self.deliver_unknown(events).await {
                Ok(heard) => heard,
                Err(fault) => {
                    tracing::warn!(error = %fault, "refunds and disputes that were asked for cannot be looked up");
                    return (heard_until, Pass::Away);
                }
            };
            if heard.iter().any(|heard| heard.handled.is_err()) {
                return (heard_until, Pass::Away);
            }
            windows.advance();
            heard_until = Some(to);
        }
        (heard_until, Pass::More)
    }

    async fn ask_for_events(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Option<Vec<ProviderEvent>>, AskError> {
        let asked = tokio::time::timeout(ASK_LIMIT, self.provider.events(KINDS, from..=to)).await;
        asked.unwrap_or_else(|_| Err(AskError::Unavailable("no answer in time".to_owned())))
    }

    /// Delivers those that are not stored yet, the oldest first.
    pub(super) async fn deliver_unknown(&self, events: Vec<ProviderEvent>) -> Result<Vec<Heard>, Fault> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let known: HashSet<String> = overview::known(&self.database, &ids).await?.into_iter().collect();
        let mut heard = Vec::new();
        for event in events.into_iter().filter(|event| !known.contains(&event.id)) {
            let deliver = Deliver { payload: event.payload.clone() };
            let handled = ask(self.webhooks.of(&event.payload), deliver).await;
            match &handled {
                Ok(handled) => {
                    metrics::counter!("reconciled_events_total", "type" => event.kind, "outcome" => dealt_name(*handled))
                        .increment(1);
                }
                Err(fault) => {
                    tracing::warn!(error = %fault, event = %event.id, "an event that was asked for could not be written");
                }
            }
            heard.push(Heard { event, handled });
        }
        Ok(heard)
    }

    /// Asks for everything that the provider still has, now, whatever was heard before.
    pub(super) async fn hear_everything(
        &self,
        wanted: impl AsyncFn(Vec<ProviderEvent>) -> Result<Vec<ProviderEvent>, Fault>,
    ) -> Result<(Vec<Heard>, bool), Fault> {
        let now = self.clock.now();
        let mut windows = Windows::new(now - LOOK_BACK, now);
        let mut all = Vec::new();
        while let Some((from, to)) = windows.next() {
            match self.ask_for_events(from, to).await {
                Ok(Some(events)) => {
                    all.extend(self.deliver_unknown(wanted(events).await?).await?);
                    windows.advance();
                }
                Ok(None) if windows.narrow() => {}
                Ok(None) => return Ok((all, false)),
                Err(error) => {
                    self.is_away.store(true, Ordering::Relaxed);
                    tracing::debug!(%error, "the payment provider cannot be asked for its events");
                    return Ok((all, false));
                }
            }
        }
        Ok((all, true))
    }
}

fn dealt_name(handled: Handled) -> &'static str {
    match handled {
        Handled::Processed => "processed",
        Handled::Ignored => "ignored",
        Handled::Waiting => "waiting",
        Handled::Failed => "failed",
        Handled::Duplicate => "duplicate",
    }
}

/// Times to ask for, one after the other: all at once first, in halves where that is too much.
struct Windows {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    width: TimeDelta,
    is_done: bool,
}

impl Windows {
    fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { since, until, width: until - since, is_done: false }
    }

    fn next(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        (!self.is_done).then(|| (self.since, (self.since + self.width).min(self.until)))
    }

    /// False where it is as narrow as it gets.
    fn narrow(&mut self) -> bool {
        let is_wide = self.width > SHORTEST_WINDOW;
        self.width = (self.width / 2).max(SHORTEST_WINDOW);
        is_wide
    }

    /// The last one was heard: on to what follows, of twice the width.
    fn advance(&mut self) {
        self.since += self.width;
        self.width = self.width * 2;
        self.is_done = self.since >= self.until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_whole_time_however_often_they_are_narrowed() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let end = start + LOOK_BACK;
        let mut windows = Windows::new(start, end);
        let (mut covered, mut asked) = (start, 0);
        while let Some((from, to)) = windows.next() {
            asked += 1;
            assert!(asked < 100);
            // The provider reads two days at once.
            if to - from > TimeDelta::days(2) {
                assert!(windows.narrow());
                continue;
            }
            assert_eq!(from, covered, "no time is left out");
            covered = to;
            windows.advance();
        }
        assert_eq!(covered, end);
        let mut narrow = Windows::new(start, start + SHORTEST_WINDOW);
        assert!(!narrow.narrow(), "it does not go on for ever");
    }
}
