//! What may be done with licences. The endpoints call this.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use primetech_kernel::caller::Viewer;
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::page::{Page, PageRequest};
use primetech_kernel::runtime::Runtime;
use primetech_kernel::shard::Shards;
use uuid::Uuid;

use crate::actor::LicenceActor;
use crate::certificate::CertificateSigner;
use crate::messages::LicenceView;
use crate::store;

/// The domain.
pub struct Licences {
    database: Database,
    clock: SharedClock,
    signer: Arc<CertificateSigner>,
    pub(crate) actors: Shards<LicenceActor>,
}

impl Licences {
    /// Starts the domain's actors.
    pub fn new(runtime: &Runtime, signer: Arc<CertificateSigner>) -> Arc<Self> {
        let (database, clock, limits) =
            (runtime.database.clone(), Arc::clone(&runtime.clock), runtime.limits);
        let actors = runtime.shards({
            let (database, clock, signer) = (database.clone(), Arc::clone(&clock), Arc::clone(&signer));
            move || LicenceActor::new(&database, Arc::clone(&clock), Arc::clone(&signer), limits)
        });
        Arc::new(Self { database, clock, signer, actors })
    }

    /// The licences that the viewer may see, newest first.
    pub async fn list(&self, viewer: &Viewer, page: &PageRequest) -> Result<Page<LicenceView>, Fault> {
        let now = self.clock.now();
        let found = self.database.read(&viewer.scope, async |tx| store::list(tx, viewer, page).await).await?;
        Ok(found.map(|licence| licence.view(now)))
    }

    /// A licence, if there is one that the viewer may see.
    pub async fn find(&self, viewer: &Viewer, key: &LicenceKey) -> Result<Option<LicenceView>, Fault> {
        let now = self.clock.now();
        let found = self.database.read(&viewer.scope, async |tx| store::find(tx, viewer, key).await).await?;
        Ok(found.map(|licence| licence.view(now)))
    }

    /// Signs certificates, and has the keys that verify them.
    pub fn signer(&self) -> &CertificateSigner {
        &self.signer
    }
}

/// The licences of an order that the viewer may see, as of `now`. For what has a database and no actors, such as the
/// mails about orders.
pub async fn of_order(
    database: &Database,
    now: DateTime<Utc>,
    viewer: &Viewer,
    order_id: Uuid,
) -> Result<Vec<LicenceView>, Fault> {
    let found = database.read(&viewer.scope, async |tx| store::of_order(tx, viewer, order_id).await).await?;
    Ok(found.iter().map(|licence| licence.view(now)).collect())
}
