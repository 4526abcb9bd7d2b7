//! Asking the mail server, or the folder in its place, whether mails could leave. Only `doctor` does; no mail is sent.

use std::io;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use primetech_kernel::random;
use secrecy::ExposeSecret;

use crate::settings::MailTransport;

/// For each step of the dialogue.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why mails could not leave. What the server says may quote an address, so its status stands for it.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("SMTP_URL cannot be used")]
    Url,
    #[error("the mail server refused with status {0}")]
    Refused(String),
    #[error("the connection to the mail server could not be secured by TLS")]
    Tls,
    #[error("the mail server was not reached")]
    NotReached,
    #[error("the mail server does not answer as one")]
    Odd,
    #[error("the folder cannot be written to: {0}")]
    Folder(#[from] io::Error),
}

/// Connects, signs in where the URL has a user, and asks for nothing; or writes a file and removes it.
pub async fn probe(transport: &MailTransport) -> Result<(), ProbeError> {
    match transport {
        MailTransport::Smtp(url) => {
            let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
                .map_err(|_| ProbeError::Url)?;
            let smtp: AsyncSmtpTransport<Tokio1Executor> = builder.timeout(Some(STEP_TIMEOUT)).build();
            if smtp.test_connection().await.map_err(|error| of_smtp(&error))? {
                Ok(())
            } else {
                Err(ProbeError::Odd)
            }
        }
        MailTransport::Directory(path) => {
            // One that is not there yet will be made beneath the first that is.
            let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
            let file = there.join(format!(".doctor-{}", random::opaque_id().simple()));
            tokio::fs::write(&file, b"doctor").await?;
            tokio::fs::remove_file(&file).await?;
            Ok(())
        }
    }
}

fn of_smtp(error: &SmtpError) -> ProbeError {
    if let Some(status) = error.status() {
        ProbeError::Refused(status.to_string())
    } else if error.is_tls() {
        ProbeError::Tls
    } else if error.is_response() || error.is_client() {
        ProbeError::Odd
    } else {
        ProbeError::NotReached
    }
}
