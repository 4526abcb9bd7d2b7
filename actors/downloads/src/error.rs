//! The refusals of downloads and their error codes.

use actix_web::http::StatusCode;
use primetech_http::error::{ApiError, Code};
use primetech_kernel::fault::Fault;

/// The user did not buy the release's product, or the money was given back.
pub const ENTITLEMENT_REQUIRED: Code =
    Code::new("ENTITLEMENT_REQUIRED", StatusCode::FORBIDDEN, "Buy this product to download it.");

pub const CODES: &[Code] = &[ENTITLEMENT_REQUIRED];

/// Why the store does not do what it is asked. What the store said may name its keys, so it is not passed on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or refuses. The same request may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// The request to it cannot be made.
    #[error("{0}")]
    Request(String),
}

#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("there is no such file")]
    NotFound,
    #[error("the user has no entitlement for this release")]
    EntitlementRequired,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<DownloadError> for ApiError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::NotFound => Self::new(Code::NOT_FOUND),
            DownloadError::EntitlementRequired => Self::new(ENTITLEMENT_REQUIRED),
            DownloadError::Store(StoreError::Unavailable(cause)) => {
                Self::new(Code::STORAGE_UNAVAILABLE).caused_by(cause)
            }
            DownloadError::Store(StoreError::Request(cause)) => Self::internal(cause),
            DownloadError::Fault(fault) => fault.into(),
        }
    }
}
