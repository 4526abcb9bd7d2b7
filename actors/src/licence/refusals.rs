//! The error codes of this domain's refusals.

use primetech_http::error::{ApiError, Code};

use super::{ActivateError, DeactivateError};

impl From<ActivateError> for ApiError {
    fn from(error: ActivateError) -> Self {
        Self::new(match error {
            ActivateError::NotFound => Code::LICENCE_NOT_FOUND,
            ActivateError::Suspended => Code::LICENCE_SUSPENDED,
            ActivateError::Revoked => Code::LICENCE_REVOKED,
            ActivateError::Expired => Code::LICENCE_EXPIRED,
            ActivateError::MaxActivations => Code::LICENCE_MAX_ACTIVATIONS,
            ActivateError::Fault(fault) => return fault.into(),
        })
    }
}

impl From<DeactivateError> for ApiError {
    fn from(error: DeactivateError) -> Self {
        Self::new(match error {
            DeactivateError::NotFound => Code::LICENCE_NOT_FOUND,
            DeactivateError::NotActiveHere => Code::LICENCE_NOT_ACTIVE_HERE,
            DeactivateError::Fault(fault) => return fault.into(),
        })
    }
}
