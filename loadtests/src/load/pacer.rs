use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::Failure;

/// The runtime's own timer counts milliseconds, which would be charged to the service; a thread that sleeps is exact
/// to some fifty microseconds. It wakes at most this often.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);

/// Lets requests go at fixed times.
pub struct Pacer {
    begun: Instant,
    interval: Duration,
    total: u64,
    taken: Cell<u64>,
    due: Arc<Semaphore>,
}

impl Pacer {
    /// `rate` requests a second for `duration`.
    pub fn start(rate: f64, duration: Duration) -> Result<Self, Failure> {
        let total = (rate * duration.as_secs_f64()).ceil() as u64;
        let interval = Duration::from_secs_f64(1.0 / rate);
        let due = Arc::new(Semaphore::new(0));
        let begun = Instant::now();
        let permits = Arc::clone(&due);
        std::thread::Builder::new().name("pacer".to_owned()).spawn(move || {
            let mut released = 0;
            while released < total && !permits.is_closed() {
                std::thread::sleep(interval.max(SHORTEST_SLEEP));
                let by_now = ((begun.elapsed().as_secs_f64() * rate) as u64 + 1).min(total);
                permits.add_permits(usize::try_from(by_now - released).unwrap_or(0));
                released = by_now;
            }
        })?;
        Ok(Self { begun, interval, total, taken: Cell::new(0), due })
    }

    /// Waits for a request to be due, and gives the time that it was due at. None where none is left.
    pub async fn next_due(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let number = self.taken.get();
        self.taken.set(number + 1);
        if number + 1 == self.total {
            self.due.close();
        }
        Some(self.begun + self.interval.mul_f64(number as f64))
    }

    /// Lets nobody wait any longer.
    pub fn give_up(&self) {
        self.due.close();
    }

    /// How many were due and never sent.
    pub fn unsent(&self) -> u64 {
        self.total - self.taken.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn each_request_is_due_at_its_own_time_and_none_is_left_out() -> Result<(), Failure> {
        let pacer = Pacer::start(1000.0, Duration::from_millis(50))?;
        let mut due = Vec::new();
        while let Some(at) = pacer.next_due().await {
            assert!(at <= Instant::now(), "sent before it was due");
            due.push(at);
        }
        assert_eq!(due.len(), 50);
        assert!(due.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(1)));
        assert_eq!(pacer.unsent(), 0);
        Ok(())
    }
}
