//! The times of one subject's calls in the last window: the rule itself, without clock, lock or network.
//!
//! Exact, at a cost in proportion to the calls that passed: eight bytes each, dropped with the window.

use std::collections::VecDeque;
use std::time::Duration;

use super::policy::{Policy, Verdict, Weight};

/// Times in milliseconds, oldest first.
#[derive(Debug, Default)]
pub(super) struct CallLog(VecDeque<u64>);

impl CallLog {
    /// `now`: in milliseconds; may step back, as clocks are set.
    pub fn ask(&mut self, policy: &Policy, weight: Weight, now: u64) -> Verdict {
        let window = policy.window_milliseconds();
        self.mend_clock(now);
        while self.0.front().is_some_and(|oldest| now - oldest >= window) {
            self.0.pop_front();
        }
        let limit = usize::try_from(policy.limit).unwrap_or(usize::MAX);
        let allowed = self.0.len() < limit;
        if allowed && weight == Weight::Counts {
            self.0.push_back(now);
        }
        let remaining = u32::try_from(limit.saturating_sub(self.0.len())).unwrap_or(u32::MAX);
        // The call whose end makes the next one possible: the oldest, but where the limit has been lowered since.
        let next_to_end = self.0.get(self.0.len().saturating_sub(limit)).copied().unwrap_or(now);
        Verdict { allowed, remaining, more_after: Duration::from_millis(next_to_end + window - now) }
    }

    /// When the newest call is forgotten, and the log with it.
    pub fn ends_at(&self, window: u64) -> u64 {
        self.0.back().map_or(0, |newest| newest.saturating_add(window))
    }

    /// A clock that was set back would keep calls for longer than a window: the log goes back with it.
    fn mend_clock(&mut self, now: u64) {
        if let Some(ahead) =
            self.0.back().and_then(|newest| newest.checked_sub(now)).filter(|ahead| *ahead > 0)
        {
            for time in &mut self.0 {
                *time = time.saturating_sub(ahead);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bucket;
    use super::*;

    const START: u64 = 1_790_000_000_000;

    fn policy(limit: u32, seconds: u64) -> Policy {
        Policy { bucket: Bucket::Auth, limit, window: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_limit_passes_and_no_more() {
        let (mut log, policy) = (CallLog::default(), policy(3, 60));
        for remaining in [2, 1, 0] {
            let verdict = log.ask(&policy, Weight::Counts, START);
            assert_eq!((verdict.allowed, verdict.remaining), (true, remaining));
        }
        let refused = log.ask(&policy, Weight::Counts, START + 10_000);
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert_eq!(refused.more_after, Duration::from_secs(50));
    }

    #[test]
    fn a_call_is_forgotten_when_it_is_a_window_old() {
        let (mut log, policy) = (CallLog::default(), policy(2, 60));
        log.ask(&policy, Weight::Counts, START);
        log.ask(&policy, Weight::Counts, START + 30_000);
        assert!(!log.ask(&policy, Weight::Counts, START + 59_999).allowed);
        let verdict = log.ask(&policy, Weight::Counts, START + 60_000);
        assert!(verdict.allowed);
        assert_eq!(verdict.more_after, Duration::from_secs(30));
        assert!(!log.ask(&policy, Weight::Counts, START + 60_001).allowed);
    }

    #[test]
    fn asking_and_being_refused_count_nothing() {
        let (mut log, policy) = (CallLog::default(), policy(1, 60));
        for _ in 0..5 {
            assert!(log.ask(&policy, Weight::Asks, START).allowed);
        }
        assert!(log.ask(&policy, Weight::Counts, START).allowed);
        for _ in 0..5 {
            assert!(!log.ask(&policy, Weight::Counts, START + 30_000).allowed);
        }
        assert!(log.ask(&policy, Weight::Counts, START + 60_000).allowed);
    }

    #[test]
    fn a_fresh_log_has_its_whole_window_before_it() {
        let verdict = CallLog::default().ask(&policy(5, 60), Weight::Asks, START);
        assert_eq!((verdict.remaining, verdict.more_after), (5, Duration::from_secs(60)));
    }

    #[test]
    fn a_lowered_limit_waits_for_enough_calls_to_end() {
        let mut log = CallLog::default();
        for at in 0..5 {
            log.ask(&policy(5, 60), Weight::Counts, START + at * 1000);
        }
        let verdict = log.ask(&policy(2, 60), Weight::Counts, START + 5000);
        assert_eq!((verdict.allowed, verdict.remaining), (false, 0));
        assert_eq!(verdict.more_after, Duration::from_secs(58));
    }

    #[test]
    fn a_clock_that_is_set_back_delays_nobody_for_longer_than_a_window() {
        let (mut log, policy) = (CallLog::default(), policy(1, 60));
        log.ask(&policy, Weight::Counts, START);
        let an_hour_ago = START - 3_600_000;
        let verdict = log.ask(&policy, Weight::Counts, an_hour_ago);
        assert_eq!((verdict.allowed, verdict.more_after), (false, Duration::from_secs(60)));
        assert!(log.ask(&policy, Weight::Counts, an_hour_ago + 60_000).allowed);
    }
}
