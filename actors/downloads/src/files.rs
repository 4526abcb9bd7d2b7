//! What this domain needs of others: the private store, and the PDFs of invoices and receipts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use primetech_actors::document::DocumentSubject;
use primetech_kernel::caller::Viewer;
use primetech_kernel::stored_file::StoredFile;

use crate::error::{DownloadError, StoreError};

/// The contract's: "TTL default 600 s, allowed 300..900".
pub const USUAL_LIFETIME: Duration = Duration::from_secs(600);
pub(crate) const SHORTEST_LIFETIME: Duration = Duration::from_secs(300);
pub(crate) const LONGEST_LIFETIME: Duration = Duration::from_secs(900);

/// From when and for how long a URL is good.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    pub from: DateTime<Utc>,
    pub lifetime: Duration,
}

/// A signed request. The store serves anyone who has it, so `Debug` leaves the URL out.
#[derive(Clone)]
pub struct SignedUrl {
    pub url: String,
    pub method: String,
    /// What has to be sent with it.
    pub headers: BTreeMap<String, String>,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignedUrl").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The private store. Each question is answered within seconds, or refused.
pub trait ObjectStore: Send + Sync {
    /// Whether the file is there.
    fn holds<'a>(&'a self, file: &'a StoredFile) -> LocalBoxFuture<'a, Result<bool, StoreError>>;

    /// Refuses if the store cannot be reached. `key` is of this installation's bucket, and need not be there.
    fn reach<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>>;

    /// A URL to fetch the file with; a browser saves it under `file_name`.
    fn sign_download<'a>(
        &'a self,
        file: &'a StoredFile,
        file_name: &'a str,
        validity: Validity,
    ) -> LocalBoxFuture<'a, Result<SignedUrl, StoreError>>;

    /// A URL to put a file of any sort in this installation's bucket with.
    fn sign_upload<'a>(
        &'a self,
        key: &'a str,
        validity: Validity,
    ) -> LocalBoxFuture<'a, Result<SignedUrl, StoreError>>;
}

/// The PDFs of invoices and receipts.
pub trait Documents: Send + Sync {
    /// A URL to the PDF of the subject's present state; `NotFound` if the viewer may not see the subject.
    fn sign_document(
        &self,
        viewer: Viewer,
        subject: DocumentSubject,
        validity: Validity,
    ) -> LocalBoxFuture<'_, Result<SignedUrl, DownloadError>>;
}
