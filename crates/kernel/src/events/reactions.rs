//! The listeners of each event, and what a transaction does about its events before it commits.

use std::any::{Any, TypeId};
use std::fmt;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use super::{Emitted, Event};
use crate::audit_log::{self, Actor, Entry};
use crate::outbox::{NewMessage, Sort, Subject, enqueue};

/// The order in which rows are locked, in every process: two transactions that lock by ascending rank, and within one
/// rank by ascending key, cannot deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockRank(u16);

impl LockRank {
    pub const PAYMENT_INTENTS: Self = Self(100);
    /// Orders with their payments and invoices.
    pub const ORDERS: Self = Self(200);
    pub const COUNTERS: Self = Self(300);
    pub const LICENCES: Self = Self(400);
    pub const ENTITLEMENTS: Self = Self(500);
    pub const BOOKINGS: Self = Self(600);

    /// Of a module that comes with a plug-in: after all of the product's own. Plug-ins choose different places.
    pub const fn plugin(place: u8) -> Self {
        Self(10_000 + place as u16)
    }
}

/// A transaction, as a listener within it sees it.
pub struct Reaction<'t> {
    connection: &'t mut PgConnection,
    now: DateTime<Utc>,
    actor: &'t Actor,
    emitted: Emitted,
}

impl Reaction<'_> {
    /// Sees the rows of the tenants that the transaction has opened: those of its events are among them.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.connection
    }

    /// When the events happened.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// In whose name the transaction works.
    pub fn actor(&self) -> &Actor {
        self.actor
    }

    /// Tells what follows from what was heard. Only listeners of a higher rank hear it.
    pub fn emit<E: Event>(&mut self, event: E) {
        self.emitted.push(self.now, event);
    }
}

type React =
    Box<dyn for<'a> Fn(&'a mut Reaction<'_>, &'a Emitted) -> BoxFuture<'a, sqlx::Result<()>> + Send + Sync>;

struct Within {
    event: TypeId,
    name: &'static str,
    module: &'static str,
    rank: LockRank,
    react: React,
}

/// How a message waits for its delivery.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub sort: Sort,
    /// Messages of one subject are delivered in their order.
    pub subject: Option<Subject>,
}

type PlaceOf = Box<dyn Fn(&dyn Any) -> Option<Place> + Send + Sync>;

struct After {
    event: TypeId,
    name: &'static str,
    module: &'static str,
    topic: &'static str,
    place: PlaceOf,
}

/// All listeners of a process. Built once, when its modules are put together.
#[derive(Default)]
pub struct Reactions {
    within: Vec<Within>,
    after: Vec<After>,
}

impl Reactions {
    /// `react` is called within each transaction that tells of `E`, once for all of its events.
    ///
    /// What it fails with spoils the batch: the items are then done one by one, and only the guilty one fails.
    pub fn within<E: Event>(
        &mut self,
        module: &'static str,
        rank: LockRank,
        react: impl for<'a> Fn(&'a mut Reaction<'_>, Vec<&'a E>) -> BoxFuture<'a, sqlx::Result<()>>
        + Send
        + Sync
        + 'static,
    ) {
        let react: React = Box::new(move |reaction, emitted| react(reaction, emitted.of::<E>()));
        self.within.push(Within { event: TypeId::of::<E>(), name: E::NAME, module, rank, react });
        self.within.sort_by_key(|within| within.rank);
    }

    /// A message with `topic` is written for each `E` that `place` gives a place, to be delivered after the commit.
    pub fn after<E: Event>(
        &mut self,
        module: &'static str,
        topic: &'static str,
        place: fn(&E) -> Option<Place>,
    ) {
        let place: PlaceOf = Box::new(move |event| event.downcast_ref().and_then(place));
        self.after.push(After { event: TypeId::of::<E>(), name: E::NAME, module, topic, place });
    }

    /// Who hears which event within its transaction: event, module and rank, in the order of the calls.
    pub fn heard_within(&self) -> impl Iterator<Item = (&'static str, &'static str, LockRank)> {
        self.within.iter().map(|within| (within.name, within.module, within.rank))
    }

    /// Who hears which event after its transaction: event, module and topic.
    pub fn heard_after(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        self.after.iter().map(|after| (after.name, after.module, after.topic))
    }
}

impl fmt::Debug for Reactions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reactions")
            .field("within", &self.within.len())
            .field("after", &self.after.len())
            .finish()
    }
}

/// Calls the listeners of what was told in this transaction, and writes audit entries and messages. Tells whether
/// messages were written: then the courier is to be woken after the commit.
pub(crate) async fn settle(
    reactions: Option<&Reactions>,
    connection: &mut PgConnection,
    actor: &Actor,
    mut emitted: Emitted,
) -> sqlx::Result<bool> {
    if emitted.is_empty() {
        return Ok(false);
    }
    let heard = |emitted: &Emitted, event: TypeId| {
        emitted.events.iter().any(|told| (**told).as_any().type_id() == event)
    };
    for within in reactions.iter().flat_map(|reactions| &reactions.within) {
        if !heard(&emitted, within.event) {
            continue;
        }
        let now = emitted.now;
        let mut reaction = Reaction { connection: &mut *connection, now, actor, emitted: Emitted::default() };
        (within.react)(&mut reaction, &emitted).await?;
        let told = reaction.emitted;
        emitted.events.extend(told.events);
    }
    let entries: Vec<Entry> = emitted.events.iter().filter_map(|event| event.audit(actor)).collect();
    audit_log::record(connection, emitted.now, &entries).await?;
    let mut messages = Vec::new();
    for event in &emitted.events {
        let event_type = (**event).as_any().type_id();
        let listeners = reactions.iter().flat_map(|reactions| &reactions.after);
        for after in listeners.filter(|after| after.event == event_type) {
            let Some(Place { sort, subject }) = (after.place)((**event).as_any()) else { continue };
            let payload = event.payload().map_err(|error| sqlx::Error::Encode(error.into()))?;
            let (tenant_id, topic) = (event.tenant_id(), after.topic);
            messages.push(NewMessage { tenant_id, topic, sort, subject, payload });
        }
    }
    enqueue(connection, emitted.now, &messages).await?;
    Ok(!messages.is_empty())
}
