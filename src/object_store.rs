//! What a failure of the object store is to a client.

use primetech_s3::StorageError;

use crate::error::{ApiError, Code};

/// `STORAGE_UNAVAILABLE`, or an internal error if the request could not be made at all.
pub(crate) fn api_error(error: StorageError) -> ApiError {
    match error {
        StorageError::NotReached | StorageError::Resting | StorageError::Refused(_) => {
            ApiError::new(Code::STORAGE_UNAVAILABLE).caused_by(error)
        }
        StorageError::Request(_) => ApiError::internal(error),
    }
}
