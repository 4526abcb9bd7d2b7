//! Messages that leave after their transaction has committed: mails and domain events.
//!
//! A message is a row written in the transaction that it tells of, and delivered after it, at least once. Payloads hold
//! ids, not secrets: what a mail needs (an address, a link's token) is looked up or derived when it is sent.

mod backlog;
mod courier;
pub mod overview;
mod signal;
mod store;

pub use courier::{Courier, CourierSettings, Delivery, DeliveryError, Destination};
pub use signal::OutboxSignal;
pub use store::{NewMessage, enqueue};
