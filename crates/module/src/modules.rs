//! The modules of a process, collected and checked.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::Code;
use primetech_kernel::events::Reactions;
use primetech_kernel::outbox::{Delivery, DeliveryError};

use crate::command::Command;
use crate::conflicts::{self, Conflict};
use crate::migrations::Migrations;
use crate::seed::Seed;
use crate::surface::{Data, Deliver, IsRunning, Surface};
use crate::worker::Worker;
use crate::{Module, description};

/// A list of modules. Those that tell come before those that hear.
#[derive(Default)]
pub struct Modules {
    surface: Surface,
}

/// What the parts of a process need of its modules.
pub struct Composition {
    pub endpoints: Vec<Endpoint>,
    pub codes: Vec<Code>,
    pub reactions: Reactions,
    pub workers: Vec<Worker>,
    pub commands: Vec<(&'static str, Command)>,
    pub seeds: Vec<Seed>,
    pub description: description::Description,
    shared: Shared,
}

/// What is asked while the process serves. Cheap to clone.
#[derive(Clone)]
pub struct Shared(Arc<SharedParts>);

struct SharedParts {
    data: Vec<Data>,
    deliveries: HashMap<&'static str, Deliver>,
    running: Vec<IsRunning>,
    migrations: Vec<Migrations>,
}

impl Modules {
    #[must_use]
    pub fn with<M: Module>(mut self, module: &Arc<M>) -> Self {
        self.surface.module = M::NAME;
        self.surface.modules.push((M::NAME, M::SWITCHABLE));
        module.surface(&mut self.surface);
        self
    }

    /// Checks that the modules fit together. Names every conflict, with both sides.
    pub fn compose(self) -> Result<Composition, Vec<Conflict>> {
        let found = conflicts::of(&self.surface);
        if !found.is_empty() {
            return Err(found);
        }
        let description = description::of(&self.surface);
        let Surface { codes, endpoints, data, reactions, deliveries, workers, running, .. } = self.surface;
        let Surface { migrations, commands, seeds, .. } = self.surface;
        let deliveries = deliveries.into_iter().map(|(_, topic, deliver)| (topic, deliver)).collect();
        Ok(Composition {
            endpoints: endpoints.into_iter().map(|(_, endpoint)| endpoint).collect(),
            codes: codes.into_iter().map(|(_, code)| code).collect(),
            reactions,
            workers: workers.into_iter().map(|(_, worker)| worker).collect(),
            commands,
            seeds,
            description,
            shared: Shared(Arc::new(SharedParts { data, deliveries, running, migrations })),
        })
    }
}

impl Composition {
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }
}

impl Shared {
    /// Gives handlers their modules.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        for data in &self.0.data {
            data(config);
        }
    }

    /// Whether the actors of all modules take messages.
    pub fn are_running(&self) -> bool {
        self.0.running.iter().all(|is_running| is_running())
    }

    /// The migrations that modules bring themselves, in the modules' order.
    pub fn migrations(&self) -> &[Migrations] {
        &self.0.migrations
    }

    /// Whether a module delivers the messages of this topic.
    pub fn delivers(&self, topic: &str) -> bool {
        self.0.deliveries.contains_key(topic)
    }

    /// Delivers a message to the module that hears its topic.
    pub async fn deliver(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        match self.0.deliveries.get(delivery.topic.as_str()) {
            Some(deliver) => deliver(delivery).await,
            None => Err(DeliveryError::Permanent(format!("no module delivers {}", delivery.topic))),
        }
    }
}
