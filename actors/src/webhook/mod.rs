//! What the payment provider tells us, and what follows from it.
//!
//! Owns `webhook_events`, `payment_refs`, `payment_disputes` and `payment_refund_reports`, and is the only one that
//! changes the status of an order, invoice or payment, and that makes receipts, entitlements and licences of orders.
//! Events come twice, at the same time and in any order; the effect is that of once, in order.

mod actor;
mod contention;
pub mod event;
mod events;
mod fulfil;
mod ledger;
mod messages;
pub mod overview;
mod refunds;
mod store;
pub mod waiting;

pub use actor::WebhookActor;
pub use contention::contended_by;
pub use events::OrderPaid;
pub use messages::*;
