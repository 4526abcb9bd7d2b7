//! Orders with their items, invoices, payments and receipts.
//!
//! [`crate::counter`] creates orders and numbers them; [`crate::webhook`] changes them after events of the payment
//! provider. This domain has the shapes and the reads, and ties a payment to its Checkout Session.

mod actor;
pub(crate) mod attempts;
mod checkout;
mod error;
mod messages;
mod provider;
pub(crate) mod store;
mod views;

pub use actor::OrderActor;
pub use attempts::END_SESSIONS;
pub use checkout::{Checkouts, KeyedCheckout, StartCheckout, StartedCheckout};
pub use error::{CheckoutError, RETURN_FORBIDDEN};
pub use messages::*;
pub use provider::{NewPage, PageFailure, PageLine, PaymentPages};
pub use views::*;
