use std::path::PathBuf;

use primetech_mail::{MailTransport, Mailbox};
use url::Url;

pub(super) fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    text.parse().map_err(|_| "must be a mailbox, as in Shop <shop@example.com>")
}

pub(super) fn smtp_url(text: &str) -> Result<MailTransport, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "smtp" | "smtps") && url.has_host());
    match url {
        Some(_) => Ok(MailTransport::Smtp(text.into())),
        None => Err("must be an smtp:// or smtps:// URL"),
    }
}

pub(super) fn directory(text: &str) -> Result<MailTransport, &'static str> {
    Ok(MailTransport::Directory(PathBuf::from(text)))
}
