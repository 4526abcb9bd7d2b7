//! Counters in this process's memory, bounded for any number of subjects.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::log::CallLog;
use super::policy::{Bucket, Policy, Verdict, Weight};
use super::subject::SubjectHash;

/// Locks of a bucket, so that requests of different clients seldom wait for each other.
const SHARDS: usize = 16;

/// The most subjects that a shard remembers: 65 536 of each bucket, some 10 MB if each called once.
const MOST_SUBJECTS: usize = 4096;

/// Below this many, a shard is not looked through for what can be forgotten.
const FEW_SUBJECTS: usize = 64;

#[derive(Default)]
pub(super) struct LocalCounters {
    /// A bucket each: subjects of one cannot push out those of another.
    buckets: [[Mutex<Shard>; SHARDS]; Bucket::ALL.len()],
}

#[derive(Default)]
struct Shard {
    logs: HashMap<SubjectHash, CallLog>,
    /// So many subjects, and what has ended is forgotten: each look through is paid for by as many new subjects.
    next_sweep: usize,
}

impl LocalCounters {
    pub fn ask(&self, policy: &Policy, subject: SubjectHash, weight: Weight, now: u64) -> Verdict {
        self.shard(policy.bucket, subject).ask(policy, subject, weight, now)
    }

    pub fn forget(&self, bucket: Bucket, subject: SubjectHash) {
        self.shard(bucket, subject).logs.remove(&subject);
    }

    fn shard(&self, bucket: Bucket, subject: SubjectHash) -> MutexGuard<'_, Shard> {
        let shard = &self.buckets[bucket as usize][subject.shard(SHARDS)];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn ask(&mut self, policy: &Policy, subject: SubjectHash, weight: Weight, now: u64) -> Verdict {
        if let Some(log) = self.logs.get_mut(&subject) {
            return log.ask(policy, weight, now);
        }
        let mut log = CallLog::default();
        let verdict = log.ask(policy, weight, now);
        if weight == Weight::Counts {
            self.make_room(policy.window_milliseconds(), now);
            self.logs.insert(subject, log);
        }
        verdict
    }

    fn make_room(&mut self, window: u64, now: u64) {
        if self.logs.len() >= self.next_sweep.clamp(FEW_SUBJECTS, MOST_SUBJECTS) {
            self.logs.retain(|_, log| log.ends_at(window) > now);
            self.logs.shrink_to(self.logs.len() * 2);
            self.next_sweep = self.logs.len() * 2;
        }
        if self.logs.len() >= MOST_SUBJECTS {
            // So many at once is a flood of addresses, which no limit by address holds back; what is pushed out is
            // what would be forgotten first.
            let first_to_end =
                self.logs.iter().min_by_key(|(_, log)| log.ends_at(window)).map(|(subject, _)| *subject);
            if let Some(subject) = first_to_end {
                self.logs.remove(&subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const POLICY: Policy = Policy { bucket: Bucket::Other, limit: 2, window: Duration::from_secs(60) };

    fn subject(number: u32) -> SubjectHash {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        SubjectHash::from_bytes(bytes)
    }

    #[test]
    fn subjects_and_buckets_are_counted_apart() {
        let counters = LocalCounters::default();
        let auth = Policy { bucket: Bucket::Auth, ..POLICY };
        for _ in 0..2 {
            assert!(counters.ask(&POLICY, subject(1), Weight::Counts, 0).allowed);
        }
        assert!(!counters.ask(&POLICY, subject(1), Weight::Counts, 0).allowed);
        assert!(counters.ask(&POLICY, subject(2), Weight::Counts, 0).allowed);
        assert!(counters.ask(&auth, subject(1), Weight::Counts, 0).allowed);
    }

    #[test]
    fn what_is_forgotten_is_that_subject_of_that_bucket() {
        let counters = LocalCounters::default();
        let auth = Policy { bucket: Bucket::Auth, ..POLICY };
        let full = |policy: &Policy, number| {
            let ask = |weight| counters.ask(policy, subject(number), weight, 0).allowed;
            ask(Weight::Counts) && ask(Weight::Counts) && !ask(Weight::Asks)
        };
        assert!(full(&POLICY, 1) && full(&POLICY, 2) && full(&auth, 1));
        counters.forget(Bucket::Other, subject(1));
        assert!(counters.ask(&POLICY, subject(1), Weight::Asks, 0).allowed);
        assert!(!counters.ask(&POLICY, subject(2), Weight::Asks, 0).allowed);
        assert!(!counters.ask(&auth, subject(1), Weight::Asks, 0).allowed);
    }

    #[test]
    fn asking_leaves_nothing_behind() {
        let mut shard = Shard::default();
        shard.ask(&POLICY, subject(1), Weight::Asks, 0);
        assert!(shard.logs.is_empty());
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let mut shard = Shard::default();
        for number in 0..1000 {
            shard.ask(&POLICY, subject(number), Weight::Counts, 0);
        }
        assert_eq!(shard.logs.len(), 1000);
        // A window later new subjects come: the old ones go before there are twice as many.
        for number in 1000..2000 {
            shard.ask(&POLICY, subject(number), Weight::Counts, 60_000);
        }
        assert_eq!(shard.logs.len(), 1000);
    }

    #[test]
    fn a_flood_of_subjects_is_bounded_and_forgets_the_oldest() {
        let mut shard = Shard::default();
        let flood = u32::try_from(MOST_SUBJECTS).unwrap_or(u32::MAX) + 500;
        for number in 0..flood {
            shard.ask(&POLICY, subject(number), Weight::Counts, u64::from(number));
            assert!(shard.logs.len() <= MOST_SUBJECTS);
        }
        assert!(!shard.logs.contains_key(&subject(0)));
        assert!(shard.logs.contains_key(&subject(flood - 1)) && shard.logs.contains_key(&subject(1000)));
    }

    #[test]
    fn of_many_at_once_exactly_the_limit_pass() {
        let counters = LocalCounters::default();
        let policy = Policy { limit: 100, ..POLICY };
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let ask = || counters.ask(&policy, subject(1), Weight::Counts, 0).allowed;
                        (0..50).filter(|_| ask()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        });
        assert_eq!(passed, 100);
    }
}
