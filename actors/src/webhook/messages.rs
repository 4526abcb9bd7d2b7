use actix::Message;

use crate::fault::Fault;

/// An event of the provider, whose signature was checked.
#[derive(Message, Clone)]
#[rtype(result = "Result<Handled, Fault>")]
pub struct Deliver {
    /// The body as it was signed.
    pub payload: String,
}

impl std::fmt::Debug for Deliver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Deliver(…)")
    }
}

/// What became of an event. It is stored, and its effects, if it has any, are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    Processed,
    /// Nothing follows from it.
    Ignored,
    /// Kept until the payment that it belongs to is known.
    Waiting,
    /// It can never succeed; an operator sees why.
    Failed,
    /// Handled with before.
    Duplicate,
}

/// Runs a stored event again, by the operator's hand.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Option<Handled>, Fault>")]
pub struct Retry {
    /// The provider's event id. None known by it: the answer is none.
    pub provider_event_id: String,
}
