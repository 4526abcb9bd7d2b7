//! How mails leave: by SMTP, or into a directory.

use std::io;

use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use primetech_kernel::outbox::DeliveryError;
use secrecy::ExposeSecret;

use crate::settings::MailTransport;

/// Why mails could not leave.
#[derive(Debug, thiserror::Error)]
pub enum MailClientError {
    #[error("MAIL_DIR {0}")]
    Directory(io::Error),
    // What lettre says of a URL may quote its password.
    #[error("SMTP_URL cannot be used")]
    SmtpUrl,
}

pub(crate) enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(AsyncFileTransport<Tokio1Executor>),
}

impl Transport {
    pub(crate) fn new(transport: &MailTransport) -> Result<Self, MailClientError> {
        match transport {
            MailTransport::Directory(path) => {
                std::fs::create_dir_all(path).map_err(MailClientError::Directory)?;
                Ok(Self::Directory(AsyncFileTransport::new(path)))
            }
            MailTransport::Smtp(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
                Ok(Self::Smtp(builder.map_err(|_| MailClientError::SmtpUrl)?.build()))
            }
        }
    }

    pub(crate) async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        match self {
            // What the server says may quote the address.
            Self::Smtp(smtp) => smtp.send(message).await.map(|_| ()).map_err(|error| {
                if error.is_permanent() {
                    DeliveryError::Permanent("the mail server refused the mail for good".to_owned())
                } else {
                    DeliveryError::Temporary("the mail server did not take the mail".to_owned())
                }
            }),
            Self::Directory(folder) => folder
                .send(message)
                .await
                .map(|_| ())
                .map_err(|error| DeliveryError::Temporary(format!("the mail cannot be written: {error}"))),
        }
    }
}
