//! Mails: what they say, and how they leave. The outbox's courier calls [`Mailer`]; nothing else sends mail.

mod calendar;
mod harmless;
mod letter;
mod mailbox;
mod mailer;
mod probe;
mod transport;
mod write;

pub use mailer::Mailer;
pub use probe::{ProbeError, probe};
pub use transport::MailerError;
