//! Mails: their form, and how they leave.
//!
//! Owns how a [`Letter`] becomes a message, with a calendar file if it has an event, and the connections to the mail
//! server. What a mail says is its writer's. Invariant: no name and no text that is given becomes a header or markup, and
//! a mail that is sent twice has one `Message-ID`.

pub mod calendar;
mod client;
mod harmless;
mod letter;
mod mailbox;
mod probe;
mod settings;
mod transport;

pub use client::{Mail, MailClient, Recipient};
pub use harmless::harmless;
pub use letter::Letter;
pub use lettre::message::Mailbox;
pub use probe::{ProbeError, probe};
pub use settings::{MailSettings, MailTransport};
pub use transport::MailClientError;
