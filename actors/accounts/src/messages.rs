use actix::Message;
use chrono::{DateTime, Utc};
use primetech_kernel::audit_log::RequestId;
pub use primetech_kernel::caller::{Role, Session, User};
use primetech_kernel::fault::Fault;
use primetech_kernel::tenancy::TenantScope;
use secrecy::SecretString;
use uuid::Uuid;

use crate::error::{LoginError, RegisterError, ResetPasswordError, TokenError};
use crate::token::{MailTokenKind, SessionToken};

/// A user who has just signed in, and the token for the cookie.
#[derive(Debug)]
pub struct SignedIn {
    pub user: User,
    pub token: SessionToken,
    pub expires_at: DateTime<Utc>,
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

/// Moves a session's expiry forward after use.
#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
pub(crate) struct ExtendSession {
    pub scope: TenantScope,
    pub session_id: Uuid,
    pub created_at: DateTime<Utc>,
}

/// Mails another link if the address belongs to a user who may have one: to confirm the address, a user who has not yet
/// done so; to reset the password, any. The answer does not tell.
#[derive(Message)]
#[rtype(result = "Result<(), Fault>")]
pub struct RequestLink {
    pub scope: TenantScope,
    pub kind: MailTokenKind,
    /// Folded to lower case.
    pub email: String,
    pub request_id: Option<RequestId>,
}

#[derive(Message)]
#[rtype(result = "Result<User, TokenError>")]
pub struct VerifyEmail {
    pub scope: TenantScope,
    pub token: SecretString,
    pub request_id: Option<RequestId>,
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
