//! Secret tokens. None is stored, logged or printed by `Debug`.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use primetech_kernel::random;

/// The installation's SESSION_SECRET. Changing it ends every session and every mailed link.
#[derive(Clone)]
pub struct TokenSecret(SecretString);

impl TokenSecret {
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length, so this cannot fail; an empty key never gets here (the configuration asks
        // for 32 bytes).
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// What is stored in place of a session token.
    pub(crate) fn session_hash(&self, token: &str) -> [u8; 32] {
        self.mac("session token", token.as_bytes())
    }

    /// What is stored in place of a mailed token.
    pub(crate) fn mail_hash(&self, kind: MailTokenKind, token: &str) -> [u8; 32] {
        self.mac(kind.hash_purpose(), token.as_bytes())
    }

    /// The token with the id `token_id`. Derived, so that the outbox need not hold it until the mail is sent.
    pub fn mail_token(&self, kind: MailTokenKind, token_id: Uuid) -> MailToken {
        MailToken(BASE64_URL_SAFE_NO_PAD.encode(self.mac(kind.token_purpose(), token_id.as_bytes())).into())
    }
}

/// What a mailed token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTokenKind {
    VerifyEmail,
    ResetPassword,
}

impl MailTokenKind {
    fn token_purpose(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email token",
            Self::ResetPassword => "reset-password token",
        }
    }

    fn hash_purpose(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email hash",
            Self::ResetPassword => "reset-password hash",
        }
    }
}

/// The value of the session cookie: 256 random bits.
#[derive(Clone)]
pub struct SessionToken(SecretString);

impl SessionToken {
    pub(crate) fn generate() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(random::token_bytes()).into())
    }

    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionToken(…)")
    }
}

/// The token in a mailed link.
pub struct MailToken(SecretString);

impl MailToken {
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for MailToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MailToken(…)")
    }
}
