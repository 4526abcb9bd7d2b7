//! What the domain of downloads needs of the store and of documents, by the client of the store and by [`Documents`].

use futures_util::future::LocalBoxFuture;
use primetech_actors::document::DocumentSubject;
use primetech_actors::stored_file::StoredFile;
use primetech_downloads::{DownloadError, ObjectStore, SignedUrl, StoreError, Validity};
use primetech_kernel::caller::Viewer;
use primetech_s3::{Storage, StorageError, Terms};

use crate::documents::{DocumentError, Documents};
use crate::error::ApiError;

/// What is downloaded is saved, not shown.
const MEDIA_TYPE: &str = "application/octet-stream";

/// The store of the releases' files.
pub struct ReleaseFiles(pub Storage);

impl ObjectStore for ReleaseFiles {
    fn holds<'a>(&'a self, file: &'a StoredFile) -> LocalBoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.0.holds(file).await.map_err(refusal) })
    }

    fn reach<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.0.has(key).await.map(drop).map_err(refusal) })
    }

    fn sign_download<'a>(
        &'a self,
        file: &'a StoredFile,
        file_name: &'a str,
        validity: Validity,
    ) -> LocalBoxFuture<'a, Result<SignedUrl, StoreError>> {
        Box::pin(async move {
            let signed = self.0.presign_download(file, file_name, MEDIA_TYPE, terms(validity)).await;
            signed.map(of_store).map_err(refusal)
        })
    }

    fn sign_upload<'a>(
        &'a self,
        key: &'a str,
        validity: Validity,
    ) -> LocalBoxFuture<'a, Result<SignedUrl, StoreError>> {
        Box::pin(
            async move { self.0.presign_upload(key, terms(validity)).await.map(of_store).map_err(refusal) },
        )
    }
}

impl primetech_downloads::Documents for Documents {
    fn sign_document(
        &self,
        viewer: Viewer,
        subject: DocumentSubject,
        validity: Validity,
    ) -> LocalBoxFuture<'_, Result<SignedUrl, DownloadError>> {
        Box::pin(async move { Ok(of_store(self.deliver(viewer, subject, terms(validity)).await?)) })
    }
}

impl From<DocumentError> for DownloadError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::NotFound => Self::NotFound,
            DocumentError::Storage(error) => refusal(error).into(),
            DocumentError::Fault(fault) => fault.into(),
        }
    }
}

impl From<DocumentError> for ApiError {
    fn from(error: DocumentError) -> Self {
        DownloadError::from(error).into()
    }
}

/// For a process that signs nothing.
pub struct NoFiles;

impl NoFiles {
    fn refuse<T: 'static>() -> LocalBoxFuture<'static, Result<T, StoreError>> {
        Box::pin(async { Err(StoreError::Request("this process has no store".to_owned())) })
    }
}

impl ObjectStore for NoFiles {
    fn holds<'a>(&'a self, _: &'a StoredFile) -> LocalBoxFuture<'a, Result<bool, StoreError>> {
        Self::refuse()
    }

    fn reach<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        Self::refuse()
    }

    fn sign_download<'a>(
        &'a self,
        _: &'a StoredFile,
        _: &'a str,
        _: Validity,
    ) -> LocalBoxFuture<'a, Result<SignedUrl, StoreError>> {
        Self::refuse()
    }

    fn sign_upload<'a>(
        &'a self,
        _: &'a str,
        _: Validity,
    ) -> LocalBoxFuture<'a, Result<SignedUrl, StoreError>> {
        Self::refuse()
    }
}

impl primetech_downloads::Documents for NoFiles {
    fn sign_document(
        &self,
        _: Viewer,
        _: DocumentSubject,
        _: Validity,
    ) -> LocalBoxFuture<'_, Result<SignedUrl, DownloadError>> {
        Box::pin(async { Ok(Self::refuse().await?) })
    }
}

fn terms(Validity { from, lifetime }: Validity) -> Terms {
    Terms { now: from, ttl: lifetime }
}

fn of_store(signed: primetech_s3::SignedUrl) -> SignedUrl {
    let primetech_s3::SignedUrl { url, method, headers, expires_at } = signed;
    SignedUrl { url, method, headers, expires_at }
}

fn refusal(error: StorageError) -> StoreError {
    match error {
        StorageError::NotReached | StorageError::Resting | StorageError::Refused(_) => {
            StoreError::Unavailable(error.to_string())
        }
        StorageError::Request(_) => StoreError::Request(error.to_string()),
    }
}
