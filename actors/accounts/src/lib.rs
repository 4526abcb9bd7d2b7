//! Accounts: users, their sessions, and the tokens of mailed links.
//!
//! Owns `users`, `sessions`, `email_verification_tokens` and `password_reset_tokens`. Passwords are hashed with
//! argon2id, outside the async threads. Of a token only the hash is stored.

mod actor;
mod directory;
mod domain;
mod error;
mod events;
mod http;
mod links;
mod mails;
mod messages;
pub mod operator;
pub mod password;
mod store;
mod token;

use std::sync::Arc;

use primetech_module::{Module, Surface};

pub use actor::{SessionActor, SessionSettings};
pub use directory::SessionDirectory;
pub use domain::{Accounts, Users};
pub use error::{CODES, LoginError, RegisterError, ResetPasswordError, TokenError};
pub use events::{LinkRequest, PasswordResetRequested, VerificationRequested};
pub use mails::{AccountMail, LinkNotice};
pub use messages::*;
pub use token::{MailToken, MailTokenKind, SessionToken, TokenSecret};

/// The topic of the mails with a link to confirm the address.
const VERIFICATION_MAIL: &str = "mail.verify-email";
/// The topic of the mails with a link to set a new password.
const RESET_MAIL: &str = "mail.reset-password";

impl Module for Accounts {
    const NAME: &'static str = "accounts";
    // Users of every module sign in here.
    const SWITCHABLE: bool = false;

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        let actor = self.actor().clone();
        on.codes(CODES)
            .tables(&["users", "sessions", "email_verification_tokens", "password_reset_tokens"])
            .endpoints(
                self,
                [
                    http::register::endpoint(),
                    http::login::endpoint(),
                    http::logout::endpoint(),
                    http::me::endpoint(),
                    http::verify_email::endpoint(),
                    http::request_password_reset::endpoint(),
                    http::reset_password::endpoint(),
                    http::resend_verification::endpoint(),
                ],
            )
            .tells::<VerificationRequested>()
            .tells::<PasswordResetRequested>()
            .after::<VerificationRequested, _>(
                self,
                VERIFICATION_MAIL,
                mails::place_of_verification,
                |accounts, delivery, VerificationRequested(request)| {
                    Box::pin(async move {
                        accounts.mail_link(delivery, MailTokenKind::VerifyEmail, request).await
                    })
                },
            )
            .after::<PasswordResetRequested, _>(
                self,
                RESET_MAIL,
                mails::place_of_reset,
                |accounts, delivery, PasswordResetRequested(request)| {
                    Box::pin(async move {
                        accounts.mail_link(delivery, MailTokenKind::ResetPassword, request).await
                    })
                },
            )
            .running(move || actor.connected());
    }
}
