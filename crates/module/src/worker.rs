//! Background work of a module.

use std::time::Duration;

use futures_util::future::BoxFuture;
use primetech_kernel::random;
use tokio::sync::watch;

/// Turns true when the process is told to end.
pub type Stop = watch::Receiver<bool>;

type Round = Box<dyn Fn() -> BoxFuture<'static, Result<Next, String>> + Send + Sync>;

/// When a worker wants its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is more to do.
    AtOnce,
    /// After the worker's interval.
    Later,
}

/// Work that is done again and again, in every process. Two processes never do the same: each turn takes what it works
/// on by a lease or a lock in PostgreSQL, and what a process held that died is free when that ends.
pub struct Worker {
    pub name: &'static str,
    pub every: Duration,
    round: Round,
}

impl Worker {
    /// `round` does a bounded piece of work, and may be called by several processes at the same time.
    pub fn every(
        every: Duration,
        name: &'static str,
        round: impl Fn() -> BoxFuture<'static, Result<Next, String>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, every, round: Box::new(round) }
    }

    /// Works until `stop` turns true. The turn that is under way then is finished.
    pub async fn run(self, mut stop: Stop) {
        // Processes that start together do not stay together.
        let mut pause = self.every.mul_f64(f64::from(random::token_bytes()[0]) / 255.0);
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => continue,
            }
            pause = match (self.round)().await {
                Ok(Next::AtOnce) => Duration::ZERO,
                Ok(Next::Later) => self.every,
                Err(error) => {
                    tracing::warn!(worker = self.name, %error, "a worker's turn failed; it tries again");
                    self.every
                }
            };
        }
    }
}
