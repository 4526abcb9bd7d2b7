use actix::Message;
use primetech_kernel::audit_log::RequestId;
use primetech_kernel::fault::Fault;
use primetech_kernel::tenancy::TenantScope;
use uuid::Uuid;

use crate::files::SignedUrl;

/// To whom a release that is not published is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpublished {
    ToNobody,
    ToAdmins,
}

/// A URL to a release's file, and what the file is.
#[derive(Debug, Clone)]
pub struct SignedDownload {
    pub url: SignedUrl,
    pub file_name: String,
    pub sha256: [u8; 32],
}

/// Notes that an administrator gets a URL to upload a file to a release with, before it does. False where the tenant has
/// no such release, published or not.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<bool, Fault>")]
pub struct NoteUpload {
    pub scope: TenantScope,
    pub release_id: Uuid,
    pub by_user_id: Uuid,
    pub request_id: Option<RequestId>,
}
