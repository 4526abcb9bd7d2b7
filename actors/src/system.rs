//! All actors of a process, started together.

use std::sync::Arc;

use actix::{Actor, Addr, Arbiter};

use crate::batch::BatchLimits;
use crate::booking::BookingActor;
use crate::clock::SharedClock;
use crate::counter::CounterActor;
use crate::database::Database;
use crate::document::DocumentActor;
use crate::fault::Fault;
use crate::invalidation::{self, CacheEpoch};
use crate::licence::{CertificateSigner, LicenceActor};
use crate::order::OrderActor;
use crate::outbox::{MailAllowances, OutboxSignal};
use crate::release::ReleaseActor;
use crate::session::{SessionActor, SessionDirectory, SessionSettings};
use crate::shard::Shards;
use crate::tenancy::TenantDirectory;
use crate::webhook::WebhookActor;

/// What the actors need to know.
pub struct ActorSettings {
    pub session: SessionSettings,
    pub mail_allowances: MailAllowances,
    pub signer: Arc<CertificateSigner>,
    /// Threads that actors run on, and actors of each contested kind.
    pub shards: usize,
    pub limits: BatchLimits,
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
    pub licences: Shards<LicenceActor>,
    pub webhooks: Shards<WebhookActor>,
    pub documents: Shards<DocumentActor>,
    pub releases: Shards<ReleaseActor>,
    pub bookings: Shards<BookingActor>,
    pub signer: Arc<CertificateSigner>,
    pub outbox: OutboxSignal,
    epoch: Arc<CacheEpoch>,
    background: Arc<Background>,
}

/// What ends with the actors.
struct Background {
    listener: tokio::task::JoinHandle<()>,
    arbiters: Vec<Arbiter>,
}

impl Drop for Background {
    fn drop(&mut self) {
        self.listener.abort();
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

impl Actors {
    /// Starts all actors. Needs a running actix System; does not need the database to be there yet.
    pub fn start(database: Database, clock: SharedClock, settings: ActorSettings) -> Result<Self, Fault> {
        let ActorSettings { session, mail_allowances, signer, shards, limits } = settings;
        let arbiters: Vec<Arbiter> = (0..shards.max(1)).map(|_| Arbiter::new()).collect();
        let epoch = Arc::new(CacheEpoch::default());
        let outbox = OutboxSignal::default();
        let tenants = TenantDirectory::new(database.clone(), Arc::clone(&epoch));

        let session_actor = SessionActor::new(
            database.clone(),
            clock.clone(),
            &session,
            outbox.clone(),
            mail_allowances.clone(),
        )?;
        let session_address = SessionActor::start_in_arbiter(&arbiters[0].handle(), move |_| session_actor);
        let sessions = SessionDirectory::new(
            session_address.clone(),
            session.secret.clone(),
            clock.clone(),
            Arc::clone(&epoch),
        );

        let counters = Shards::start(&arbiters, {
            let (database, clock) = (database.clone(), clock.clone());
            move || CounterActor::new(database.clone(), clock.clone(), limits)
        });
        let orders = Shards::start(&arbiters, {
            let (database, clock) = (database.clone(), clock.clone());
            move || OrderActor::new(database.clone(), clock.clone(), limits)
        });
        let licences = Shards::start(&arbiters, {
            let (database, clock, signer) = (database.clone(), clock.clone(), Arc::clone(&signer));
            move || LicenceActor::new(database.clone(), clock.clone(), Arc::clone(&signer), limits)
        });
        let webhooks = Shards::start(&arbiters, {
            let (database, clock, outbox) = (database.clone(), clock.clone(), outbox.clone());
            move || WebhookActor::new(database.clone(), clock.clone(), outbox.clone(), limits)
        });
        let documents = Shards::start(&arbiters, {
            let (database, clock) = (database.clone(), clock.clone());
            move || DocumentActor::new(database.clone(), clock.clone())
        });
        let releases = Shards::start(&arbiters, {
            let (database, clock) = (database.clone(), clock.clone());
            move || ReleaseActor::new(database.clone(), clock.clone())
        });
        let bookings = Shards::start(&arbiters, {
            let (database, clock, outbox) = (database.clone(), clock.clone(), outbox.clone());
            move || {
                let allowances = mail_allowances.clone();
                BookingActor::new(database.clone(), clock.clone(), outbox.clone(), allowances, limits)
            }
        });
        let listener = invalidation::listen(database.clone(), Arc::clone(&epoch));
        let background = Arc::new(Background { listener, arbiters });
        Ok(Self {
            database,
            clock,
            tenants,
            sessions,
            session: session_address,
            counters,
            orders,
            licences,
            webhooks,
            documents,
            releases,
            bookings,
            signer,
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
            && self.licences.are_running()
            && self.webhooks.are_running()
            && self.documents.are_running()
            && self.releases.are_running()
            && self.bookings.are_running()
            && !self.background.listener.is_finished()
    }
}
