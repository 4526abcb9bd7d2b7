//! The outbox: messages that leave after their transaction has committed, such as mails and domain events.
//!
//! The transaction writes a message as a row; the courier delivers it afterwards, at least once. Payloads contain
//! ids, no secrets: an address or a link's token is looked up or derived when a mail is sent.

mod courier;
pub mod overview;
mod signal;
mod store;

pub use courier::{Courier, CourierSettings, Delivery, DeliveryError, Destination};
pub use signal::OutboxSignal;
pub use store::{NewMessage, enqueue};
