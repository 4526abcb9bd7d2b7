//! Orders with their items, invoices, payments and receipts.
//!
//! Orders are made by [`crate::counter`], which numbers them, and change by what the payment provider tells
//! [`crate::webhook`]. This domain owns the shapes and the reads, and ties a payment to its Checkout Session.

mod actor;
pub(crate) mod attempts;
mod messages;
pub(crate) mod store;
mod views;

pub use actor::OrderActor;
pub use attempts::END_SESSIONS;
pub use messages::*;
pub use views::*;
