//! Shards: several actors of one kind, each on its own thread, each responsible for a share of the keys.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix::{Actor, Addr, Arbiter, Context};

/// The actors of one kind. The same key always goes to the same actor of this process, so that what contends for one
/// row meets in one queue. Nothing depends on that but speed: other processes have shards of their own.
#[derive(Debug)]
pub struct Shards<A: Actor> {
    actors: Vec<Addr<A>>,
}

impl<A: Actor> Clone for Shards<A> {
    fn clone(&self) -> Self {
        Self { actors: self.actors.clone() }
    }
}

impl<A: Actor<Context = Context<A>>> Shards<A> {
    /// Starts one actor on each of `arbiters`. Needs a running actix System.
    pub fn start(arbiters: &[Arbiter], make: impl Fn() -> A + Clone + Send + 'static) -> Self {
        let actors = arbiters
            .iter()
            .map(|arbiter| {
                let make = make.clone();
                A::start_in_arbiter(&arbiter.handle(), move |_| make())
            })
            .collect();
        Self { actors }
    }

    /// The actor that is responsible for `key`.
    pub fn of(&self, key: &impl Hash) -> &Addr<A> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        &self.actors[(hasher.finish() % self.actors.len() as u64) as usize]
    }

    pub fn are_running(&self) -> bool {
        self.actors.iter().all(Addr::connected)
    }
}
