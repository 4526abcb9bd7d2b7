//! What may be done with releases and signed URLs. The endpoints call this.

use std::sync::Arc;
use std::time::Duration;

use primetech_actors::document::DocumentSubject;
use primetech_kernel::ask::ask;
use primetech_kernel::caller::Viewer;
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::page::{Page, PageRequest};
use primetech_kernel::runtime::Runtime;
use primetech_kernel::shard::Shards;
use primetech_kernel::stored_file::object_key;
use primetech_kernel::tenancy::TenantScope;
use uuid::Uuid;

use crate::access;
use crate::actor::ReleaseActor;
use crate::error::{DownloadError, StoreError};
use crate::files::{Documents, ObjectStore, SignedUrl, Validity};
use crate::messages::{NoteUpload, SignedDownload, Unpublished};
use crate::store;
use crate::views::{DownloadView, ReleaseView};

/// The domain.
pub struct Downloads {
    database: Database,
    clock: SharedClock,
    pub(crate) actors: Shards<ReleaseActor>,
    files: Arc<dyn ObjectStore>,
    documents: Arc<dyn Documents>,
}

impl Downloads {
    /// Starts the domain's actors.
    pub fn new(runtime: &Runtime, files: Arc<dyn ObjectStore>, documents: Arc<dyn Documents>) -> Arc<Self> {
        let (database, clock) = (runtime.database.clone(), Arc::clone(&runtime.clock));
        let actors = runtime.shards({
            let (database, clock) = (database.clone(), Arc::clone(&clock));
            move || ReleaseActor::new(database.clone(), Arc::clone(&clock))
        });
        Arc::new(Self { database, clock, actors, files, documents })
    }

    /// The tenant's published releases, newest first.
    pub async fn list_releases(
        &self,
        scope: &TenantScope,
        page: &PageRequest,
    ) -> Result<Page<ReleaseView>, Fault> {
        self.database.read(scope, async |tx| store::list(tx, page).await).await
    }

    /// What the user may download: one entry for each of its entitlements and published release of that product.
    pub async fn list_downloads(
        &self,
        scope: &TenantScope,
        user_id: Uuid,
        page: &PageRequest,
    ) -> Result<Page<DownloadView>, Fault> {
        self.database.read(scope, async |tx| store::list_downloads(tx, user_id, page).await).await
    }

    /// A URL to a release's file that is good for `lifetime` from now on. `NotFound` if the viewer may not see the release.
    ///
    /// Asks the store for the file first, so that no URL leads nowhere.
    pub async fn sign_download(
        &self,
        viewer: &Viewer,
        release_id: Uuid,
        unpublished: Unpublished,
        lifetime: Duration,
    ) -> Result<SignedDownload, DownloadError> {
        let validity = self.validity(lifetime);
        let found =
            self.database.read(&viewer.scope, async |tx| store::find(tx, viewer, release_id).await).await?;
        let (file_name, file) = access::decide(found, viewer.only_user().is_none(), unpublished)?;
        if !self.files.holds(&file).await? {
            let lost = StoreError::Unavailable("a release's file is not in the store".to_owned());
            return Err(lost.into());
        }
        let url = self.files.sign_download(&file, &file_name, validity).await?;
        Ok(SignedDownload { url, file_name, sha256: file.sha256 })
    }

    /// A URL to the PDF of an invoice or receipt. `NotFound` if the viewer may not see it.
    pub async fn sign_document(
        &self,
        viewer: Viewer,
        subject: DocumentSubject,
        lifetime: Duration,
    ) -> Result<SignedUrl, DownloadError> {
        self.documents.sign_document(viewer, subject, self.validity(lifetime)).await
    }

    /// A URL to upload a file to a release with, for an administrator. It is noted in the audit log first. `NotFound` if
    /// the tenant has no such release.
    pub async fn sign_upload(
        &self,
        upload: NoteUpload,
        lifetime: Duration,
    ) -> Result<SignedUrl, DownloadError> {
        let validity = self.validity(lifetime);
        let key = object_key::of_upload(upload.scope.tenant_id(), upload.release_id);
        if !ask(self.actors.of(&upload.scope), upload).await? {
            return Err(DownloadError::NotFound);
        }
        self.files.reach(&key).await?;
        Ok(self.files.sign_upload(&key, validity).await?)
    }

    fn validity(&self, lifetime: Duration) -> Validity {
        Validity { from: self.clock.now(), lifetime }
    }
}
