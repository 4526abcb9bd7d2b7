//! The error codes of this domain's refusals.

use primetech_http::error::{ApiError, Code};

use super::{LoginError, RegisterError, ResetPasswordError, TokenError};

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::new(Code::EMAIL_TAKEN),
            RegisterError::Fault(fault) => fault.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::new(Code::INVALID_CREDENTIALS),
            LoginError::Fault(fault) => fault.into(),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::InvalidToken => Self::new(Code::INVALID_TOKEN),
            TokenError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ResetPasswordError> for ApiError {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::InvalidToken => Self::new(Code::INVALID_TOKEN),
            ResetPasswordError::WeakPassword(weakness) => {
                Self::new(Code::VALIDATION_ERROR).field("password", weakness)
            }
            ResetPasswordError::Fault(fault) => fault.into(),
        }
    }
}
