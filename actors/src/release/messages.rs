use actix::Message;
use uuid::Uuid;

use super::views::*;
use crate::fault::Fault;
use crate::order::Viewer;
use crate::page::{Page, PageRequest};
use crate::stored_file::StoredFile;
use crate::tenancy::TenantScope;

/// The tenant's published releases.
#[derive(Message)]
#[rtype(result = "Result<Page<ReleaseView>, Fault>")]
pub struct ListReleases {
    pub scope: TenantScope,
    pub page: PageRequest,
}

/// What the user may download: one entry for each of its entitlements and published release of that product.
#[derive(Message)]
#[rtype(result = "Result<Page<DownloadView>, Fault>")]
pub struct ListDownloads {
    pub scope: TenantScope,
    pub user_id: Uuid,
    pub page: PageRequest,
}

/// Asks for the file of a release on behalf of someone.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<ReleaseFile, DownloadError>")]
pub struct FindDownload {
    pub viewer: Viewer,
    pub release_id: Uuid,
    /// Whether an administrator is shown one that is not published.
    pub unpublished_to_admins: bool,
}

/// A file that may be downloaded.
#[derive(Debug, Clone)]
pub struct ReleaseFile {
    pub file_name: String,
    pub file: StoredFile,
}

#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("there is no such release")]
    NotFound,
    #[error("the user has no entitlement for this release")]
    EntitlementRequired,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Notes that an administrator gets a URL to upload a file to a release with, before it does. False where the tenant has
/// no such release, published or not.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<bool, Fault>")]
pub struct NoteUpload {
    pub scope: TenantScope,
    pub release_id: Uuid,
    pub by_user_id: Uuid,
    pub request_id: Option<crate::audit_log::RequestId>,
}
