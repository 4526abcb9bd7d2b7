//! All actors of a process, started together.

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::counter::CounterActor;
use crate::database::Database;
use crate::document::DocumentActor;
use crate::invalidation::{self, CacheEpoch};
use crate::order::OrderActor;
use crate::outbox::{MailAllowances, OutboxSignal};
use crate::runtime::Runtime;
use crate::shard::Shards;
use crate::tenancy::TenantDirectory;
use crate::webhook::WebhookActor;

/// The addresses of a process's actors, and the directories that its requests begin with. Cheap to clone.
#[derive(Clone)]
pub struct Actors {
    pub database: Database,
    pub clock: SharedClock,
    pub tenants: TenantDirectory,
    pub counters: Shards<CounterActor>,
    pub orders: Shards<OrderActor>,
    pub webhooks: Shards<WebhookActor>,
    pub documents: Shards<DocumentActor>,
    pub outbox: OutboxSignal,
    /// Announces to this process what its caches may no longer hold.
    pub caches: Arc<CacheEpoch>,
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
    pub fn start(runtime: &Runtime, mail_allowances: MailAllowances) -> Self {
        let (database, clock, limits) = (runtime.database.clone(), runtime.clock.clone(), runtime.limits);
        let caches = Arc::new(CacheEpoch::default());
        let outbox = database.outbox().clone();
        let tenants = TenantDirectory::new(database.clone(), Arc::clone(&caches));

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
            let allowances = mail_allowances.clone();
            move || {
                WebhookActor::new(database.clone(), clock.clone(), outbox.clone(), allowances.clone(), limits)
            }
        });
        let documents = runtime.shards({
            let (database, clock) = (database.clone(), clock.clone());
            move || DocumentActor::new(database.clone(), clock.clone())
        });
        let listener = invalidation::listen(database.clone(), Arc::clone(&caches));
        let background = Arc::new(Background { listener, _runtime: runtime.clone() });
        Self { database, clock, tenants, counters, orders, webhooks, documents, outbox, caches, background }
    }

    /// Whether cached tenants and sessions may be used at the moment.
    pub fn caches_are_trusted(&self) -> bool {
        self.caches.is_heard()
    }

    /// Whether all actors take messages.
    pub fn are_running(&self) -> bool {
        self.counters.are_running()
            && self.orders.are_running()
            && self.webhooks.are_running()
            && self.documents.are_running()
            && !self.background.listener.is_finished()
    }
}
