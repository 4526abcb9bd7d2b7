//! What mails say. The outbox's courier calls [`Mailer`]; nothing else sends mail. The adapter `primetech_mail` gives mails
//! their form and sends them.

mod mailer;
mod writer;

pub use mailer::Mailer;
