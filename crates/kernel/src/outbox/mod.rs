//! Messages that leave after their transaction has committed: mails and domain events.
//!
//! A message is a row written in the transaction that it tells of, and delivered after it, at least once. Payloads hold
//! ids, not secrets: what a mail needs (an address, a link's token) is looked up or derived when it is sent.
//!
//! Delivery is concurrent ([`courier`]), fair between sorts of messages and between tenants ([`turns`]), and in order for
//! one subject ([`Subject`]). Mails that strangers cause are bounded for each recipient ([`allowances`]).

mod allowances;
mod courier;
mod message;
pub mod overview;
mod signal;
mod store;
mod turns;

pub(crate) use allowances::WINDOW;
pub use allowances::{MailAllowances, WantedMail};
pub use courier::{Courier, CourierSettings, Delivery, DeliveryError, Destination};
pub use message::{NewMessage, Sort, Subject};
pub use signal::OutboxSignal;
pub use store::enqueue;
