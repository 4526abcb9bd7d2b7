//! The fill of this process's queues at the moment of a scrape.
//!
//! Each queue notes its own state without locks, and is listed while it lives. The result is per kind of work: its
//! shards, and the applications that share a process, are added up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What instants are counted from, so that an atomic number can hold one.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
static QUEUES: Mutex<Vec<Weak<Shown>>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Shown {
    name: &'static str,
    waiting: AtomicUsize,
    /// Microseconds from [`START`] to the oldest unanswered request's arrival, plus one; zero: there is none.
    oldest: AtomicU64,
}

/// The figures of one queue, which notes them as they change.
#[derive(Debug)]
pub struct QueueFigures(Arc<Shown>);

impl QueueFigures {
    pub fn of(name: &'static str) -> Self {
        LazyLock::force(&START);
        // Shown from the start on: the first refusal is a rise only from a zero that was seen before.
        metrics::counter!("batch_refused_total", "actor" => name).increment(0);
        metrics::counter!("batch_isolated_total", "actor" => name).increment(0);
        let shown = Arc::new(Shown { name, waiting: AtomicUsize::new(0), oldest: AtomicU64::new(0) });
        let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&shown));
        Self(shown)
    }

    /// A request came at `since`: `waiting` wait now. It is the oldest where nothing else is unanswered.
    pub fn waiting(&self, waiting: usize, since: Instant) {
        self.0.waiting.store(waiting, Ordering::Relaxed);
        if self.0.oldest.load(Ordering::Relaxed) == 0 {
            // Only the queue's own thread writes.
            self.0.oldest.store(micros(since), Ordering::Relaxed);
        }
    }

    /// A batch was taken, whose oldest request came at `since`; none: all is answered.
    pub fn taken(&self, waiting: usize, since: Option<Instant>) {
        self.0.waiting.store(waiting, Ordering::Relaxed);
        self.0.oldest.store(since.map_or(0, micros), Ordering::Relaxed);
    }
}

fn micros(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*START).as_micros()).unwrap_or(u64::MAX - 1) + 1
}

/// The state of all queues of one kind of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Requests that wait for their batch.
    pub waiting: usize,
    /// How long the oldest unanswered request has been there, waiting or being worked on.
    pub oldest: Duration,
}

/// The queues of this process, by the name of their work.
pub fn queues() -> BTreeMap<&'static str, Queued> {
    let now = micros(Instant::now());
    let mut shown: BTreeMap<&'static str, Queued> = BTreeMap::new();
    for queue in QUEUES.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
        let queued = shown.entry(queue.name).or_default();
        queued.waiting += queue.waiting.load(Ordering::Relaxed);
        let oldest = queue.oldest.load(Ordering::Relaxed);
        if oldest > 0 {
            queued.oldest = queued.oldest.max(Duration::from_micros(now.saturating_sub(oldest)));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unanswered_request_counts_also_while_it_is_worked_on() {
        let (queue, other_shard) = (QueueFigures::of("test.queue"), QueueFigures::of("test.queue"));
        let came = Instant::now();
        queue.waiting(1, came);
        other_shard.waiting(2, came + Duration::from_secs(60));
        while came.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        let queued = queues()["test.queue"];
        assert_eq!(queued.waiting, 3);
        assert!((2..60_000).contains(&queued.oldest.as_millis()), "{queued:?}");
        queue.taken(0, Some(came));
        queue.waiting(1, Instant::now());
        let queued = queues()["test.queue"];
        assert_eq!(queued.waiting, 3);
        assert!(queued.oldest.as_millis() >= 2, "what is being worked on is unanswered: {queued:?}");
        queue.taken(0, None);
        other_shard.taken(0, None);
        assert_eq!(queues()["test.queue"], Queued::default());
        drop((queue, other_shard));
        assert!(!queues().contains_key("test.queue"));
    }
}
