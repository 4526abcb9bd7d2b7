//! The surface: everything that a module adds to the product.

use std::sync::Arc;

use actix_web::web;
use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::Code;
use primetech_kernel::events::{Event, LockRank, Place, Reaction, Reactions};
use primetech_kernel::outbox::{Delivery, DeliveryError};
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use crate::Module;
use crate::command::Command;
use crate::migrations::Migrations;
use crate::seed::Seed;
use crate::worker::Worker;

/// Gives handlers their module.
pub(crate) type Data = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Delivers one message of the outbox.
pub(crate) type Deliver =
    Box<dyn Fn(Delivery) -> LocalBoxFuture<'static, Result<(), DeliveryError>> + Send + Sync>;

/// Whether actors take messages.
pub(crate) type IsRunning = Box<dyn Fn() -> bool + Send + Sync>;

/// Collects what the modules bring, each thing under its module's name.
#[derive(Default)]
pub struct Surface {
    /// Whose turn it is.
    pub(crate) module: &'static str,
    /// Each with whether a tenant may do without it.
    pub(crate) modules: Vec<(&'static str, bool)>,
    pub(crate) codes: Vec<(&'static str, Code)>,
    pub(crate) endpoints: Vec<(&'static str, Endpoint)>,
    pub(crate) data: Vec<Data>,
    /// Events that a module tells, by name.
    pub(crate) tells: Vec<(&'static str, &'static str)>,
    pub(crate) reactions: Reactions,
    pub(crate) deliveries: Vec<(&'static str, &'static str, Deliver)>,
    pub(crate) workers: Vec<(&'static str, Worker)>,
    pub(crate) running: Vec<IsRunning>,
    pub(crate) tables: Vec<(&'static str, &'static str)>,
    pub(crate) migrations: Vec<Migrations>,
    pub(crate) commands: Vec<(&'static str, Command)>,
    pub(crate) seeds: Vec<Seed>,
}

impl Surface {
    /// The codes that only this module refuses with.
    pub fn codes(&mut self, codes: &[Code]) -> &mut Self {
        self.codes.extend(codes.iter().map(|code| (self.module, *code)));
        self
    }

    /// Endpoints, whose handlers may ask for `web::Data<M>`.
    pub fn endpoints<M: Module>(
        &mut self,
        module: &Arc<M>,
        endpoints: impl IntoIterator<Item = Endpoint>,
    ) -> &mut Self {
        let endpoints = endpoints.into_iter().map(|endpoint| match M::SWITCHABLE {
            true => endpoint.switched_with(M::NAME),
            false => endpoint,
        });
        self.endpoints.extend(endpoints.map(|endpoint| (M::NAME, endpoint)));
        let data = web::Data::from(Arc::clone(module));
        self.data.push(Arc::new(move |config| {
            config.app_data(data.clone());
        }));
        self
    }

    /// Says that the module tells `E`. A module that hears it is listed after this one.
    pub fn tells<E: Event>(&mut self) -> &mut Self {
        self.tells.push((self.module, E::NAME));
        self
    }

    /// `react` is called inside each transaction that tells `E`, once for all of its events.
    pub fn within<E: Event, M: Module>(
        &mut self,
        module: &Arc<M>,
        rank: LockRank,
        react: impl for<'a> Fn(Arc<M>, &'a mut Reaction<'_>, Vec<&'a E>) -> BoxFuture<'a, sqlx::Result<()>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        let module = Arc::clone(module);
        self.reactions
            .within::<E>(M::NAME, rank, move |reaction, events| react(Arc::clone(&module), reaction, events));
        self
    }

    /// `deliver` is called after each transaction that told `E`, at least once for each event that `place` gives a place,
    /// in some process. Its
    /// messages wait in the outbox under `topic`, which is this effect's own: another effect of the same event is
    /// delivered for itself.
    pub fn after<E: Event + DeserializeOwned, M: Module>(
        &mut self,
        module: &Arc<M>,
        topic: &'static str,
        place: fn(&E) -> Option<Place>,
        deliver: impl Fn(Arc<M>, Delivery, E) -> LocalBoxFuture<'static, Result<(), DeliveryError>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.reactions.after::<E>(M::NAME, topic, place);
        let module = Arc::clone(module);
        let deliver: Deliver =
            Box::new(move |delivery: Delivery| match serde_json::from_value(delivery.payload.clone()) {
                Ok(event) => deliver(Arc::clone(&module), delivery, event),
                Err(error) => {
                    let error = DeliveryError::Permanent(format!("the message cannot be read: {error}"));
                    Box::pin(async move { Err(error) })
                }
            });
        self.deliveries.push((M::NAME, topic, deliver));
        self
    }

    /// Work that goes on besides the requests, in every serving process.
    pub fn worker(&mut self, worker: Worker) -> &mut Self {
        self.workers.push((self.module, worker));
        self
    }

    /// The process is ready only while `is_running`: for a module with actors.
    pub fn running(&mut self, is_running: impl Fn() -> bool + Send + Sync + 'static) -> &mut Self {
        self.running.push(Box::new(is_running));
        self
    }

    /// The tables that this module, and no other, writes.
    pub fn tables(&mut self, tables: &[&'static str]) -> &mut Self {
        self.tables.extend(tables.iter().map(|table| (self.module, *table)));
        self
    }

    /// The migrations of a module whose tables are not among the product's. `migrate` applies them after the product's, and
    /// the process is ready only on a schema that has them.
    pub fn migrations(&mut self, migrator: Migrator) -> &mut Self {
        self.migrations.push(Migrations::of(self.module, migrator));
        self
    }

    /// A command of the program, for operators.
    pub fn command(&mut self, command: Command) -> &mut Self {
        self.commands.push((self.module, command));
        self
    }

    /// See [`Seed`].
    pub fn seed(
        &mut self,
        seed: impl for<'a> Fn(&'a mut PgConnection, DateTime<Utc>) -> BoxFuture<'a, sqlx::Result<()>>
        + Send
        + Sync
        + 'static,
    ) -> &mut Self {
        self.seeds.push(Arc::new(seed));
        self
    }
}
