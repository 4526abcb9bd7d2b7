//! Signed URLs to the private store.

pub mod sign;

use primetech_actors::stored_file::StoredFile;
use primetech_s3::{SignedUrl, Storage, Terms};

use crate::error::{ApiError, Code};
use crate::object_store;

/// A URL to a release's file. The store is asked for the file first: a URL that leads nowhere is worth nothing to
/// whoever waits for it.
pub(super) async fn release_url(
    storage: &Storage,
    file: &StoredFile,
    file_name: &str,
    terms: Terms,
) -> Result<SignedUrl, ApiError> {
    if !storage.holds(file).await.map_err(object_store::api_error)? {
        return Err(
            ApiError::new(Code::STORAGE_UNAVAILABLE).caused_by("a release's file is not in the store")
        );
    }
    let signed = storage.presign_download(file, file_name, "application/octet-stream", terms).await;
    signed.map_err(object_store::api_error)
}
