//! The refusals of licences and their error codes.

use actix_web::http::StatusCode;
use primetech_http::error::{ApiError, Code};
use primetech_kernel::fault::Fault;

/// No licence has this key, or the caller may not see it.
pub const LICENCE_NOT_FOUND: Code =
    Code::new("LICENCE_NOT_FOUND", StatusCode::NOT_FOUND, "The licence does not exist.");

/// The payment of the licence's order is disputed.
pub const LICENCE_SUSPENDED: Code =
    Code::new("LICENCE_SUSPENDED", StatusCode::FORBIDDEN, "The licence is suspended.");

/// The payment was given back, or an operator revoked the licence.
pub const LICENCE_REVOKED: Code =
    Code::new("LICENCE_REVOKED", StatusCode::FORBIDDEN, "The licence is revoked.");

/// The licence's time is over.
pub const LICENCE_EXPIRED: Code =
    Code::new("LICENCE_EXPIRED", StatusCode::FORBIDDEN, "The licence has expired.");

/// Another device has the licence's one activation.
pub const LICENCE_MAX_ACTIVATIONS: Code =
    Code::new("LICENCE_MAX_ACTIVATIONS", StatusCode::CONFLICT, "The licence is active on another device.");

/// The device that asks is not the active one, or there is none.
pub const LICENCE_NOT_ACTIVE_HERE: Code =
    Code::new("LICENCE_NOT_ACTIVE_HERE", StatusCode::CONFLICT, "The licence is not active on this device.");

pub const CODES: &[Code] = &[
    LICENCE_NOT_FOUND,
    LICENCE_SUSPENDED,
    LICENCE_REVOKED,
    LICENCE_EXPIRED,
    LICENCE_MAX_ACTIVATIONS,
    LICENCE_NOT_ACTIVE_HERE,
];

#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    #[error("there is no such licence")]
    NotFound,
    #[error("the licence is suspended")]
    Suspended,
    #[error("the licence is revoked")]
    Revoked,
    #[error("the licence has expired")]
    Expired,
    #[error("the licence is active on another device")]
    MaxActivations,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ActivateError> for ApiError {
    fn from(error: ActivateError) -> Self {
        Self::new(match error {
            ActivateError::NotFound => LICENCE_NOT_FOUND,
            ActivateError::Suspended => LICENCE_SUSPENDED,
            ActivateError::Revoked => LICENCE_REVOKED,
            ActivateError::Expired => LICENCE_EXPIRED,
            ActivateError::MaxActivations => LICENCE_MAX_ACTIVATIONS,
            ActivateError::Fault(fault) => return fault.into(),
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DeactivateError {
    #[error("there is no such licence")]
    NotFound,
    #[error("the licence is not active here")]
    NotActiveHere,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<DeactivateError> for ApiError {
    fn from(error: DeactivateError) -> Self {
        Self::new(match error {
            DeactivateError::NotFound => LICENCE_NOT_FOUND,
            DeactivateError::NotActiveHere => LICENCE_NOT_ACTIVE_HERE,
            DeactivateError::Fault(fault) => return fault.into(),
        })
    }
}
