use actix::{Actor, Context, Handler, ResponseFuture};

use super::messages::*;
use super::store;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::stored_file::StoredFile;

/// Finds and records documents. Requests for one document may meet anywhere: its unique key settles who was first.
pub struct DocumentActor {
    database: Database,
    clock: SharedClock,
}

impl DocumentActor {
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock }
    }
}

impl Actor for DocumentActor {
    type Context = Context<Self>;
}

crate::ask::carry_spans!(DocumentActor);

impl Handler<FindDocument> for DocumentActor {
    type Result = ResponseFuture<Result<Option<FoundDocument>, Fault>>;

    fn handle(&mut self, message: FindDocument, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let FindDocument { viewer, subject, layout } = message;
            database
                .read(&viewer.scope, async |tx| {
                    let Some(printed) = store::find_printed(tx, &viewer, &subject).await? else {
                        return Ok(None);
                    };
                    let seller = store::seller(tx, &printed).await?;
                    let revision = Revision::of(&printed, seller.paper, layout);
                    let stored = store::find_stored(tx, &subject, &revision).await?;
                    Ok(Some(FoundDocument { stored, printed, seller, revision }))
                })
                .await
        })
    }
}

impl Handler<RecordDocument> for DocumentActor {
    type Result = ResponseFuture<Result<StoredFile, Fault>>;

    fn handle(&mut self, message: RecordDocument, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        let now = self.clock.now();
        Box::pin(async move {
            database
                .write(&message.scope, async |tx| {
                    store::record(tx, &message, now).await?;
                    // The row is there: ours, or another process's that was first.
                    let stored = store::find_stored(tx, &message.subject, &message.revision).await?;
                    Ok(stored.ok_or_else(|| Fault::internal("a recorded document is not there")))
                })
                .await
        })
    }
}
