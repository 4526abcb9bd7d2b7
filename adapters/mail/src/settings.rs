//! Whom mails are from, and how they leave.

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::SecretString;

#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Its address counts: each mail bears the name of its shop.
    pub from: Mailbox,
    pub transport: MailTransport,
}

/// How mails leave.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// `smtp://` or `smtps://`, with credentials perhaps.
    Smtp(SecretString),
    /// A folder of `.eml` files.
    Directory(PathBuf),
}
