//! The content of an entry, and the bytes that its hash covers.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A request's id, as it was answered with.
pub type RequestId = Arc<str>;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    User(Uuid),
    /// Nobody who is known: a device with a licence key, a sign-in that failed.
    Anonymous,
    /// The product itself, on the provider's word or by the clock.
    System,
    /// An operator, by the name that the operating system knows.
    Operator(Arc<str>),
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user:{id}"),
            Self::Anonymous => formatter.write_str("anonymous"),
            Self::System => formatter.write_str("system"),
            Self::Operator(name) => write!(formatter, "cli:{name}"),
        }
    }
}

/// What it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject(pub &'static str, pub Uuid);

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.0, self.1)
    }
}

/// An entry to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    pub tenant_id: Uuid,
    pub actor: Actor,
    pub request_id: Option<RequestId>,
    pub action: &'static str,
    pub subject: Option<Subject>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Entry {
    pub fn new(
        tenant_id: Uuid,
        actor: Actor,
        action: &'static str,
        subject: impl Into<Option<Subject>>,
    ) -> Self {
        let subject = subject.into();
        Self { tenant_id, actor, request_id: None, action, subject, before: None, after: None }
    }

    pub fn asked_by(mut self, request_id: Option<&RequestId>) -> Self {
        self.request_id = request_id.cloned();
        self
    }

    pub fn before(mut self, before: Value) -> Self {
        self.before = Some(before);
        self
    }

    pub fn after(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }
}

/// An entry as it is stored: what its hash is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub actor: &'a str,
    pub request_id: Option<&'a str>,
    pub action: &'a str,
    pub subject: Option<&'a str>,
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
}

impl Stored<'_> {
    /// SHA-256 over the fields in order, each behind its length, so that no two entries have the same bytes.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"primetech audit entry 1");
        hash.update(self.tenant_id.as_bytes());
        hash.update(self.id.as_bytes());
        hash.update(self.at.timestamp_micros().to_be_bytes());
        let fields =
            [Some(self.actor), self.request_id, Some(self.action), self.subject, self.before, self.after];
        for field in fields {
            match field {
                // No text is as long.
                None => hash.update(u64::MAX.to_be_bytes()),
                Some(text) => {
                    hash.update((text.len() as u64).to_be_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        hash.finalize().into()
    }
}

/// What stands before the first link of a tenant's chain.
pub(super) fn first_hash(tenant_id: Uuid) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"primetech audit chain 1");
    hash.update(tenant_id.as_bytes());
    hash.finalize().into()
}

/// The hash of a link.
pub(super) fn link(previous: &[u8], position: i64, entry_hash: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(position.to_be_bytes());
    hash.update(entry_hash);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_moves_its_border_changes_the_hash() {
        let base = Stored {
            tenant_id: Uuid::nil(),
            id: Uuid::nil(),
            at: DateTime::UNIX_EPOCH,
            actor: "ab",
            request_id: Some("c"),
            action: "d",
            subject: None,
            before: Some(""),
            after: None,
        };
        let hash = base.hash();
        let others = [
            Stored { actor: "a", request_id: Some("bc"), ..base },
            Stored { before: None, ..base },
            Stored { before: None, after: Some(""), ..base },
            Stored { at: DateTime::UNIX_EPOCH + chrono::TimeDelta::microseconds(1), ..base },
        ];
        for other in others {
            assert_ne!(other.hash(), hash, "{other:?}");
        }
    }
}
