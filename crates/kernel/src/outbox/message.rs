//! What is written into the outbox.

use serde_json::Value;
use uuid::Uuid;

/// What a message is for. Sorts take turns at delivery, and are counted apart where recipients are protected from too
/// many mails (see [`super::MailAllowances`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub name: &'static str,
    /// A person waits for it: some deliveries are reserved for such messages.
    pub urgent: bool,
}

impl Sort {
    pub const fn new(name: &'static str) -> Self {
        Self { name, urgent: false }
    }

    pub const fn urgent(name: &'static str) -> Self {
        Self { name, urgent: true }
    }
}

/// What messages are about: of one subject they are delivered in the order in which they were written.
///
/// Whoever writes them holds a lock on the subject's row, or has just made it: that decides the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject(pub &'static str, pub Uuid);

/// A message to be written with the rows it tells of.
#[derive(Debug)]
pub struct NewMessage {
    pub tenant_id: Uuid,
    /// What it is: `mail.…` for mails, `event.…` for domain events.
    pub topic: &'static str,
    pub sort: Sort,
    /// None: it waits for no other message.
    pub subject: Option<Subject>,
    pub payload: Value,
}

impl NewMessage {
    /// The subject as it is stored. Mails wait for mails and events for events: their destinations differ.
    pub(super) fn stored_subject(&self) -> Option<String> {
        let Subject(kind, id) = self.subject?;
        let class = self.topic.split('.').next().unwrap_or(self.topic);
        Some(format!("{class} {kind}:{id}"))
    }
}
