//! The error codes of this domain's refusals.

use primetech_http::error::{ApiError, Code};

use super::DownloadError;

impl From<DownloadError> for ApiError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::NotFound => Self::new(Code::NOT_FOUND),
            DownloadError::EntitlementRequired => Self::new(Code::ENTITLEMENT_REQUIRED),
            DownloadError::Fault(fault) => fault.into(),
        }
    }
}
