//! Signed URLs to the private store.

pub mod sign;

use primetech_actors::stored_file::StoredFile;

use crate::error::{ApiError, Code};
use crate::integrations::storage::{SignedUrl, Storage, StorageError, Terms};

/// A URL to a release's file. The store is asked for the file first: a URL that leads nowhere is worth nothing to
/// whoever waits for it.
pub(super) async fn release_url(
    storage: &Storage,
    file: &StoredFile,
    file_name: &str,
    terms: Terms,
) -> Result<SignedUrl, ApiError> {
    if !storage.holds(file).await? {
        return Err(
            ApiError::new(Code::STORAGE_UNAVAILABLE).caused_by("a release's file is not in the store")
        );
    }
    Ok(storage.presign_download(file, file_name, "application/octet-stream", terms).await?)
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotReached | StorageError::Resting | StorageError::Refused(_) => {
                Self::new(Code::STORAGE_UNAVAILABLE).caused_by(error)
            }
            StorageError::Request(_) => Self::internal(error),
        }
    }
}
