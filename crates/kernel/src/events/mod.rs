//! News of a domain: told in the transaction that makes it true, heard by others in the same transaction or after it.
//!
//! [`BatchTx::emit`](crate::database::BatchTx::emit) and [`TenantTx::emit`](crate::database::tx::TenantTx::emit)
//! are the only ways to tell. Before the transaction commits, each listener of an event is called once for the whole
//! batch, in the order of the [`LockRank`]s; then the audit entries and the outbox messages of all events are written,
//! one statement each. If nobody hears an event after its transaction, no message is written for it.

mod reactions;

use std::any::Any;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::audit_log::{Actor, Entry};

pub(crate) use reactions::settle;
pub use reactions::{LockRank, Reaction, Reactions};

/// Something that a domain tells.
///
/// Serialized as the payload of the outbox messages, so it holds ids and amounts, never secrets or personal data.
pub trait Event: Any + Serialize + Send + Sync {
    /// `<module>.<what>`, such as `sales.order-paid`.
    const NAME: &'static str;

    fn tenant_id(&self) -> Uuid;

    /// What the audit log says of it, if it says anything. `by` is in whose name the transaction works.
    fn audit(&self, _by: &Actor) -> Option<Entry> {
        None
    }
}

/// An event of whatever type.
trait AnyEvent: Any + Send + Sync {
    fn tenant_id(&self) -> Uuid;
    fn audit(&self, by: &Actor) -> Option<Entry>;
    fn payload(&self) -> serde_json::Result<Value>;
    fn as_any(&self) -> &dyn Any;
}

impl<E: Event> AnyEvent for E {
    fn tenant_id(&self) -> Uuid {
        Event::tenant_id(self)
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        Event::audit(self, by)
    }

    fn payload(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The events of one transaction, in the order in which they were told.
#[derive(Default)]
pub struct Emitted {
    events: Vec<Box<dyn AnyEvent>>,
    /// Of the newest event.
    now: DateTime<Utc>,
}

impl Emitted {
    pub fn push<E: Event>(&mut self, now: DateTime<Utc>, event: E) {
        self.now = self.now.max(now);
        self.events.push(Box::new(event));
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn of<E: Event>(&self) -> Vec<&E> {
        self.events.iter().filter_map(|event| (**event).as_any().downcast_ref()).collect()
    }
}
