//! The outbox: messages that leave after their transaction has committed, such as mails and domain events.
//!
//! The transaction writes a message as a row; the courier delivers it afterwards, at least once. Payloads contain
//! ids, no secrets: an address or a link's token is looked up or derived when a mail is sent.
//!
//! Delivery is concurrent ([`courier`]), fair between sorts of messages and between tenants ([`turns`]), and in order for
//! one subject ([`Subject`]). Mails that strangers cause are bounded for each recipient ([`allowances`]).

mod allowances;
mod backlog;
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
