//! Payments of which the provider told nothing: it is asked, and what it answers goes the way of its own events.
//!
//! Refunds and disputes of paid orders are asked for too, as the events that they were ([`events`]).
//!
//! Owns the two reconciler columns of `payments`, and `provider_event_sweeps`. What follows from an answer is the webhook domain's: an answer is
//! made an event, with an id of its own per session and outcome, and delivered like any other. So a webhook that comes
//! late, or at the same time, changes nothing more. Runs in every serving process, and by the operator's hand; a lease
//! on each payment keeps two from asking about the same one.

pub mod by_hand;
mod events;
mod plan;
mod provider;
mod store;
mod sweep;

pub use events::KINDS as EVENT_KINDS;
pub use provider::{AskError, Provider, ProviderEvent, SessionState, Standing};
pub use sweep::{Outcome, Reconciler, ReconcilerSettings};
