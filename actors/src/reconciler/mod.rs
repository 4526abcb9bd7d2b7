//! Asks the provider about payments without news, and delivers the answers as events.
//!
//! Asks for refunds and disputes of paid orders too, as events ([`events`]).
//!
//! Owns the two reconciler columns of `payments`, and `provider_event_sweeps`. An answer becomes an event with an id
//! of its own per session and outcome, and takes the way of every event through the webhook domain. So a webhook that
//! arrives late, or at the same time, changes nothing more. Every serving process runs it, and the operator can; a
//! lease on each payment keeps two from asking about the same one.

pub mod by_hand;
mod events;
mod plan;
mod provider;
mod store;
mod sweep;

pub use events::KINDS as EVENT_KINDS;
pub use provider::{AskError, Provider, ProviderEvent, SessionState, Standing};
pub use sweep::{Outcome, Reconciler, ReconcilerSettings};
