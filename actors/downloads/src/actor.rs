use actix::{Actor, Context, Handler, ResponseFuture};
use primetech_kernel::audit_log::{self, Entry, Subject};
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;

use crate::messages::NoteUpload;
use crate::store;

/// Notes who may upload to a release.
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

primetech_kernel::ask::carry_spans!(ReleaseActor);

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
