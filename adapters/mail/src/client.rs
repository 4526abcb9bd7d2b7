//! Addresses letters and sends them.

use lettre::Address;
use primetech_kernel::outbox::DeliveryError;
use uuid::Uuid;

use crate::letter::{Envelope, Letter};
use crate::settings::MailSettings;
use crate::transport::{MailClientError, Transport};

/// Whom a mail goes to.
pub struct Recipient {
    pub name: Option<String>,
    pub email: String,
}

/// A letter, and whom it goes to.
pub struct Mail {
    pub recipient: Recipient,
    /// Where answers go to; none: to the address that mails are from.
    pub reply_to: Option<String>,
    pub letter: Letter,
}

/// Sends mails. Keeps its connections to the mail server: one serves a process.
pub struct MailClient {
    transport: Transport,
    from: Address,
}

impl MailClient {
    /// Opens no connection. Makes the folder that mails are written to.
    pub fn new(settings: &MailSettings) -> Result<Self, MailClientError> {
        Ok(Self { transport: Transport::new(&settings.transport)?, from: settings.from.email.clone() })
    }

    /// Sends a mail. Its `Message-ID` is made of `id`.
    pub async fn send(&self, id: Uuid, mail: &Mail) -> Result<(), DeliveryError> {
        let Mail { recipient, reply_to, letter } = mail;
        let to: Address = recipient
            .email
            .parse()
            .map_err(|_| DeliveryError::Permanent("the address cannot be used".to_owned()))?;
        // What the operator set is checked where it is set; should it be unusable, answers go to the sender.
        let reply_to = reply_to.as_deref().and_then(|address| address.parse().ok());
        let reply_to = reply_to.as_ref().unwrap_or(&self.from);
        let envelope = Envelope { from: &self.from, reply_to, name: recipient.name.as_deref(), to: &to };
        let message = letter
            .message(id, &envelope)
            .map_err(|error| DeliveryError::Permanent(format!("the mail cannot be built: {error}")))?;
        self.transport.send(message).await
    }
}
