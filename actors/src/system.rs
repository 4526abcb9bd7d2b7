//! All actors of a process, started together.

use std::sync::Arc;

use actix::Addr;

use crate::clock::SharedClock;
use crate::counter::CounterActor;
use crate::database::Database;
use crate::document::DocumentActor;
use crate::fault::Fault;
use crate::invalidation::{self, CacheEpoch};
use crate::order::OrderActor;
use crate::outbox::{MailAllowances, OutboxSignal};
use crate::runtime::Runtime;
use crate::session::{SessionActor, SessionDirectory, SessionSettings};
use crate::shard::Shards;
use crate::tenancy::TenantDirectory;
use crate::webhook::WebhookActor;

/// What the actors need to know.
pub struct ActorSettings {
    pub session: SessionSettings,
    pub mail_allowances: MailAllowances,
}

/// The addresses of a process's actors, and the directories that its requests begin with. Cheap to clone.
#[derive(Clone)]
pub struct Actors {
    pub database: Database,
    pub clock: SharedClock,
    pub tenants: TenantDirectory,
    pub sessions: SessionDirectory,
    pub session: Addr<SessionActor>,
    pub counters: Shards<CounterActor>,
    pub orders: Shards<OrderActor>,
    pub webhooks: Shards<WebhookActor>,
    pub documents: Shards<DocumentActor>,
    pub outbox: OutboxSignal,
    epoch: Arc<CacheEpoch>,
    background: Arc<Background>,
}

/// What ends with the actors.
struct Background {
    listener: tokio::task::JoinHandle<()>,
    // The threads of the actors end with the last clone.
    _runtime: Runtime,
}

impl Drop for Background {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Actors {
    /// Starts all actors. Needs a running actix System; does not need the database to be there yet.
    pub fn start(runtime: &Runtime, settings: ActorSettings) -> Result<Self, Fault> {
        let ActorSettings { session, mail_allowances } = settings;
        let (database, clock, limits) = (runtime.database.clone(), runtime.clock.clone(), runtime.limits);
        let epoch = Arc::new(CacheEpoch::default());
        let outbox = database.outbox().clone();
        let tenants = TenantDirectory::new(database.clone(), Arc::clone(&epoch));

        let session_actor =
            SessionActor::new(database.clone(), clock.clone(), &session, outbox.clone(), mail_allowances)?;
        let session_address = runtime.single(session_actor);
        let sessions = SessionDirectory::new(
            session_address.clone(),
            session.secret.clone(),
            clock.clone(),
            Arc::clone(&epoch),
        );

        let counters = runtime.shards({
            let (database, clock) = (database.clone(), clock.clone());
            move || CounterActor::new(database.clone(), clock.clone(), limits)
        });
        let orders = runtime.shards({
            let (database, clock) = (database.clone(), clock.clone());
            move || OrderActor::new(database.clone(), clock.clone(), limits)
        });
        let webhooks = runtime.shards({
            let (database, clock, outbox) = (database.clone(), clock.clone(), outbox.clone());
            move || WebhookActor::new(database.clone(), clock.clone(), outbox.clone(), limits)
        });
        let documents = runtime.shards({
            let (database, clock) = (database.clone(), clock.clone());
            move || DocumentActor::new(database.clone(), clock.clone())
        });
        let listener = invalidation::listen(database.clone(), Arc::clone(&epoch));
        let background = Arc::new(Background { listener, _runtime: runtime.clone() });
        Ok(Self {
            database,
            clock,
            tenants,
            sessions,
            session: session_address,
            counters,
            orders,
            webhooks,
            documents,
            outbox,
            epoch,
            background,
        })
    }

    /// Whether cached tenants and sessions may be used at the moment.
    pub fn caches_are_trusted(&self) -> bool {
        self.epoch.is_heard()
    }

    /// Whether all actors take messages.
    pub fn are_running(&self) -> bool {
        self.session.connected()
            && self.counters.are_running()
            && self.orders.are_running()
            && self.webhooks.are_running()
            && self.documents.are_running()
            && !self.background.listener.is_finished()
    }
}
