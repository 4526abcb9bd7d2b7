//! The payment provider's events and their effects.
//!
//! Owns `webhook_events`, `payment_refs`, `payment_disputes` and `payment_refund_reports`. Only this domain changes the
//! status of an order, invoice or payment, and creates receipts. Provider events may come twice, at the same time and in
//! any order; the effect is that of each event once, in order.

mod actor;
mod contention;
pub mod event;
mod events;
mod ledger;
mod messages;
pub mod overview;
mod refunds;
mod settlement;
mod store;
pub mod waiting;

pub use actor::WebhookActor;
pub use contention::contended_by;
pub use events::*;
pub use messages::*;
