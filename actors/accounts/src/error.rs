//! The refusals of accounts and their error codes.

use actix_web::http::StatusCode;
use primetech_http::error::{ApiError, Code};
use primetech_kernel::fault::Fault;

/// The shop has an account with this address.
pub const EMAIL_TAKEN: Code =
    Code::new("EMAIL_TAKEN", StatusCode::CONFLICT, "An account with this e-mail address already exists.");

/// No account has this address and password.
pub const INVALID_CREDENTIALS: Code = Code::new(
    "INVALID_CREDENTIALS",
    StatusCode::UNAUTHORIZED,
    "The e-mail address or the password is wrong.",
);

/// The token of a mailed link is unknown, used, superseded or expired.
pub const INVALID_TOKEN: Code =
    Code::new("INVALID_TOKEN", StatusCode::BAD_REQUEST, "This link is invalid or has expired.");

pub const CODES: &[Code] = &[EMAIL_TAKEN, INVALID_CREDENTIALS, INVALID_TOKEN];

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::new(EMAIL_TAKEN),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The same for an unknown address and a wrong password, and as slow.
    #[error("invalid credentials")]
    InvalidCredentials,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::new(INVALID_CREDENTIALS),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Unknown, used, superseded or expired: one answer for all.
    #[error("the token is not valid")]
    InvalidToken,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::InvalidToken => Self::new(INVALID_TOKEN),
            TokenError::Fault(fault) => fault.into(),
        }
    }
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

impl From<ResetPasswordError> for ApiError {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::InvalidToken => Self::new(INVALID_TOKEN),
            ResetPasswordError::WeakPassword(weakness) => {
                Self::new(Code::VALIDATION_ERROR).field("password", weakness)
            }
            ResetPasswordError::Fault(fault) => fault.into(),
        }
    }
}
