//! When to discard cached plans.
//!
//! PostgreSQL plans by the size of tables. For a small table a sequential scan is best; if that plan is cached while
//! the table grows, it gets slower with every row until statistics are gathered again, which can take a minute of
//! heavy load. So a connection that caches plans renews them from time to time: whenever the length of a run of
//! transactions has doubled, and every second in a long run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// To plan a batch's statements takes some milliseconds: less than a hundredth of the time at this age …
const AGE: Duration = Duration::from_secs(1);

/// … and nothing to speak of for a transaction, where they are few.
const USES: u32 = 100;

/// From here on a run is looked at for whether it has doubled. Shorter ones add little to any table.
const SHORTEST_RUN: u32 = 8;

/// The age of the plans that a connection keeps.
#[derive(Debug)]
pub(super) struct KeptPlans(Mutex<Age>);

#[derive(Debug)]
struct Age {
    made: Instant,
    uses: u32,
    /// Transactions without a pause between them.
    run: u32,
    last_use: Instant,
}

impl KeptPlans {
    pub fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Age { made: now, uses: 0, run: 0, last_use: now }))
    }

    /// Counts a transaction that begins at `now`, and tells whether it is to make new plans.
    pub fn are_old(&self, now: Instant) -> bool {
        let mut age = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(age.last_use) >= AGE {
            age.run = 0;
        }
        age.last_use = now;
        age.run = age.run.saturating_add(1);
        age.uses += 1;
        let has_doubled = age.run >= SHORTEST_RUN && age.run.is_power_of_two();
        let are_old = has_doubled || age.uses > USES && now.saturating_duration_since(age.made) >= AGE;
        if are_old {
            (age.made, age.uses) = (now, 1);
        }
        are_old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn plans_are_made_anew_when_a_run_has_doubled_and_each_second_of_it() {
        let plans = KeptPlans::new();
        let mut now = Instant::now();
        let mut run = |length: u32| -> Vec<u32> {
            now += AGE;
            (1..=length).filter(|_| (plans.are_old(now), now += MOMENT).0).collect()
        };
        assert_eq!(run(40), [8, 16, 32]);
        assert_eq!(run(7), [0_u32; 0], "a few add little");
        // A thousand are a second here: one after the run was last found doubled.
        assert_eq!(run(3_000), [8, 16, 32, 64, 128, 256, 512, 1024, 2024, 2048]);
    }

    #[test]
    fn what_is_used_now_and_then_keeps_its_plans_for_a_hundred_uses() {
        let plans = KeptPlans::new();
        let begun = Instant::now();
        let anew: Vec<u32> = (1..=250).filter(|use_| plans.are_old(begun + AGE * *use_)).collect();
        assert_eq!(anew, [101, 201]);
    }
}
