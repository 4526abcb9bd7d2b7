//! What a release is: as the contract shows it ("Locked: storage and downloads"), and as it is published.

use chrono::{DateTime, Utc};
use primetech_kernel::stored_file::StoredFile;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A published file of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Release)]
pub struct ReleaseView {
    pub id: Uuid,
    #[schema(example = "editor-pro")]
    pub product_sku: String,
    #[schema(example = "2.1.0")]
    pub version: String,
    #[schema(example = "stable")]
    pub channel: String,
    #[schema(example = "any")]
    pub platform: String,
    #[schema(example = "editor-pro-2.1.0.zip")]
    pub file_name: String,
    #[schema(example = 73_400_320)]
    pub size_bytes: i64,
    /// The hash of the file, in lower-case hexadecimal.
    #[schema(
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub sha256: String,
    #[schema(example = "Opens large files faster.")]
    pub notes: Option<String>,
    pub published_at: DateTime<Utc>,
}

/// A release that an entitlement of the user's gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Download)]
pub struct DownloadView {
    pub release: ReleaseView,
    pub entitlement_id: Uuid,
}

/// A release whose file lies in the store.
#[derive(Debug, Clone)]
pub struct NewRelease {
    pub id: Uuid,
    pub version: String,
    pub channel: String,
    pub platform: String,
    pub file_name: String,
    pub notes: Option<String>,
    pub file: StoredFile,
}
