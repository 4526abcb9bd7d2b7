//! What the domains of a process share: the database, the clock, and the threads of their actors.

use std::sync::Arc;

use actix::{Actor, Arbiter, Context};

use crate::batch::BatchLimits;
use crate::clock::SharedClock;
use crate::database::Database;
use crate::shard::Shards;

/// Cheap to clone. The threads end with its last clone, so no actor holds one.
#[derive(Clone)]
pub struct Runtime {
    pub database: Database,
    pub clock: SharedClock,
    pub limits: BatchLimits,
    threads: Arc<Threads>,
}

struct Threads(Vec<Arbiter>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in &self.0 {
            thread.stop();
        }
    }
}

impl Runtime {
    /// Starts `threads` threads for actors, at least one. Needs a running actix System; does not need the database to
    /// be there yet.
    pub fn start(database: Database, clock: SharedClock, threads: usize, limits: BatchLimits) -> Self {
        let threads = Arc::new(Threads((0..threads.max(1)).map(|_| Arbiter::new()).collect()));
        Self { database, clock, limits, threads }
    }

    /// Starts one actor of a kind on each thread.
    pub fn shards<A: Actor<Context = Context<A>>>(
        &self,
        make: impl Fn() -> A + Clone + Send + 'static,
    ) -> Shards<A> {
        Shards::start(&self.threads.0, make)
    }

    /// Runs an actor of which there is one, on the first thread.
    pub fn single<A: Actor<Context = Context<A>> + Send>(&self, actor: A) -> actix::Addr<A> {
        A::start_in_arbiter(&self.threads.0[0].handle(), move |_| actor)
    }
}
