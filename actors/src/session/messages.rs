use actix::Message;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use uuid::Uuid;

use super::token::SessionToken;
use crate::audit_log::RequestId;
pub use crate::caller::{Role, Session, User};
use crate::fault::Fault;
use crate::tenancy::TenantScope;

/// A user who has just signed in, and the token for the cookie.
#[derive(Debug)]
pub struct SignedIn {
    pub user: User,
    pub token: SessionToken,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Makes a user of role CUSTOMER, signs it in and sends the verification mail.
#[derive(Message)]
#[rtype(result = "Result<SignedIn, RegisterError>")]
pub struct Register {
    pub scope: TenantScope,
    /// Folded to lower case.
    pub email: String,
    pub password: SecretString,
    pub name: Option<String>,
    /// Tokens that the request came with: their sessions end.
    pub replaces: Vec<SecretString>,
    pub request_id: Option<RequestId>,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The same for an unknown address and a wrong password, and as slow.
    #[error("invalid credentials")]
    InvalidCredentials,
    #[error(transparent)]
    Fault(#[from] Fault),
}

#[derive(Message)]
#[rtype(result = "Result<SignedIn, LoginError>")]
pub struct Login {
    pub scope: TenantScope,
    pub email: String,
    pub password: SecretString,
    /// Tokens that the request came with: their sessions end where it succeeds.
    pub replaces: Vec<SecretString>,
    pub request_id: Option<RequestId>,
}

/// Revokes the sessions of `tokens`, where they are any.
#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
pub struct Logout {
    pub scope: TenantScope,
    pub tokens: Vec<SecretString>,
    pub request_id: Option<RequestId>,
}

/// Looks a token up in the database. [`super::SessionDirectory`] asks this where its cache has no answer.
#[derive(Message)]
#[rtype(result = "Result<Option<Session>, Fault>")]
pub(super) struct FindSession {
    pub scope: TenantScope,
    pub token_hash: [u8; 32],
}

/// Moves a session's expiry forward after use.
#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
pub(super) struct ExtendSession {
    pub scope: TenantScope,
    pub session_id: Uuid,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Unknown, used, superseded or expired: one answer for all.
    #[error("the token is not valid")]
    InvalidToken,
    #[error(transparent)]
    Fault(#[from] Fault),
}

#[derive(Message)]
#[rtype(result = "Result<User, TokenError>")]
pub struct VerifyEmail {
    pub scope: TenantScope,
    pub token: SecretString,
    pub request_id: Option<RequestId>,
}

/// Sends a reset mail if the address belongs to a user; the answer does not tell.
#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
pub struct RequestPasswordReset {
    pub scope: TenantScope,
    pub email: String,
    pub request_id: Option<RequestId>,
}

/// Sends another mail to confirm the address, if it belongs to a user who has not yet done so; the answer does not tell.
#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
pub struct ResendVerification {
    pub scope: TenantScope,
    pub email: String,
    pub request_id: Option<RequestId>,
}

#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// As [`TokenError::InvalidToken`].
    #[error("the token is not valid")]
    InvalidToken,
    /// Told only to who has a valid token, which stays valid.
    #[error("the password {0}")]
    WeakPassword(&'static str),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Sets a new password, ends every session of the user, and confirms the address: the token was mailed there.
#[derive(Message)]
#[rtype(result = "Result<User, ResetPasswordError>")]
pub struct ResetPassword {
    pub scope: TenantScope,
    pub token: SecretString,
    pub password: SecretString,
    pub request_id: Option<RequestId>,
}

/// A user by its id, for the mails that are sent to it.
#[derive(Message)]
#[rtype(result = "Result<Option<User>, Fault>")]
pub struct FindUser {
    pub scope: TenantScope,
    pub user_id: Uuid,
}
