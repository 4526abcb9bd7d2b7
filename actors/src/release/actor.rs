use actix::{Actor, Context, Handler, ResponseFuture};

use super::messages::*;
use super::store::{self, ReleaseState};
use super::views::*;
use crate::audit_log::{self, Entry, Subject};
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::page::Page;

/// Reads releases, decides who may download them, and notes who may upload.
pub struct ReleaseActor {
    database: Database,
    clock: SharedClock,
}

impl ReleaseActor {
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock }
    }
}

impl Actor for ReleaseActor {
    type Context = Context<Self>;
}

crate::ask::carry_spans!(ReleaseActor);

/// One that may not be seen is absent; one that may be seen and not be had says what is missing.
fn decide(
    state: Option<ReleaseState>,
    is_admin: bool,
    unpublished_to_admins: bool,
) -> Result<ReleaseFile, DownloadError> {
    let state = state.ok_or(DownloadError::NotFound)?;
    let shown = state.published || (is_admin && unpublished_to_admins);
    if !shown {
        return Err(DownloadError::NotFound);
    }
    if !is_admin && !state.entitled {
        return Err(DownloadError::EntitlementRequired);
    }
    Ok(ReleaseFile { file_name: state.file_name, file: state.file })
}

impl Handler<ListReleases> for ReleaseActor {
    type Result = ResponseFuture<Result<Page<ReleaseView>, Fault>>;

    fn handle(&mut self, message: ListReleases, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let ListReleases { scope, page } = message;
            database.read(&scope, async |tx| store::list(tx, &page).await).await
        })
    }
}

impl Handler<ListDownloads> for ReleaseActor {
    type Result = ResponseFuture<Result<Page<DownloadView>, Fault>>;

    fn handle(&mut self, message: ListDownloads, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let ListDownloads { scope, user_id, page } = message;
            database.read(&scope, async |tx| store::list_downloads(tx, user_id, &page).await).await
        })
    }
}

impl Handler<FindDownload> for ReleaseActor {
    type Result = ResponseFuture<Result<ReleaseFile, DownloadError>>;

    fn handle(&mut self, message: FindDownload, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let FindDownload { viewer, release_id, unpublished_to_admins } = message;
            let state =
                database.read(&viewer.scope, async |tx| store::find(tx, &viewer, release_id).await).await?;
            decide(state, viewer.only_user().is_none(), unpublished_to_admins)
        })
    }
}

impl Handler<NoteUpload> for ReleaseActor {
    type Result = ResponseFuture<Result<bool, Fault>>;

    fn handle(&mut self, message: NoteUpload, _: &mut Self::Context) -> Self::Result {
        let (database, now) = (self.database.clone(), self.clock.now());
        Box::pin(async move {
            let NoteUpload { scope, release_id, by_user_id, request_id } = message;
            let entry = Entry::new(
                scope.tenant_id(),
                audit_log::Actor::User(by_user_id),
                "release.upload_signed",
                Subject("release", release_id),
            )
            .asked_by(request_id.as_ref());
            database
                .write(&scope, async |tx| {
                    let exists = store::exists(tx, release_id).await?;
                    if exists {
                        audit_log::record(tx.connection(), now, std::slice::from_ref(&entry)).await?;
                    }
                    Ok(Ok(exists))
                })
                .await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored_file::StoredFile;

    fn state(published: bool, entitled: bool) -> Option<ReleaseState> {
        let file =
            StoredFile { bucket: String::new(), object_key: String::new(), size_bytes: 0, sha256: [0; 32] };
        Some(ReleaseState { published, file_name: String::new(), file, entitled })
    }

    #[test]
    fn who_may_download_what() {
        let verdict = |state, is_admin, unpublished| match decide(state, is_admin, unpublished) {
            Ok(_) => "given",
            Err(DownloadError::NotFound) => "absent",
            Err(DownloadError::EntitlementRequired) => "to be bought",
            Err(DownloadError::Fault(_)) => "fault",
        };
        for unpublished_to_admins in [false, true] {
            assert_eq!(verdict(None, true, unpublished_to_admins), "absent");
            assert_eq!(verdict(state(true, false), false, unpublished_to_admins), "to be bought");
            assert_eq!(verdict(state(true, true), false, unpublished_to_admins), "given");
            assert_eq!(verdict(state(true, false), true, unpublished_to_admins), "given");
            assert_eq!(verdict(state(false, true), false, unpublished_to_admins), "absent");
        }
        assert_eq!(verdict(state(false, false), true, false), "absent");
        assert_eq!(verdict(state(false, false), true, true), "given");
    }
}
