//! Mails: what they say, and how they leave. The outbox's courier calls [`Mailer`]; nothing else sends mail.

mod compose;
mod mailer;

pub use mailer::{Mailer, MailerError};
