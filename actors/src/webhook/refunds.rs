//! How much of a payment is refunded, from what the provider told of it in whatever order: rules without a database.
//!
//! The provider tells the sum of a charge's refunds each time one is made, and later that a refund failed. A sum counts
//! what was refunded at its time: failures from before are not in it any more, those after it are to be taken off.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// A charge was refunded: so much altogether.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    /// The event's.
    pub event_id: String,
    pub amount: i64,
    pub in_full: bool,
    pub at: Option<DateTime<Utc>>,
}

/// The money of a refund came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub refund_id: String,
    pub amount: i64,
    pub at: Option<DateTime<Utc>>,
}

/// All that was told of a payment's refunds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Refunds {
    pub sums: Vec<Sum>,
    pub failures: Vec<Failure>,
}

/// What is refunded in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refunded {
    pub amount: i64,
    pub in_full: bool,
}

impl Refunds {
    /// Known by the event that tells it.
    pub fn hear_sum(&mut self, sum: Sum) {
        if self.sums.iter().all(|known| known.event_id != sum.event_id) {
            self.sums.push(sum);
        }
    }

    /// A refund fails once, however many events tell of it; the earliest tells when.
    pub fn hear_failure(&mut self, failure: Failure) {
        match self.failures.iter_mut().find(|known| known.refund_id == failure.refund_id) {
            Some(known) => known.at = [known.at, failure.at].into_iter().flatten().min(),
            None => self.failures.push(failure),
        }
    }

    /// Sums and failures one after the other. The provider's times are whole seconds, so a failure and a sum may share
    /// one: the failure then came after, unless the sum is no larger than the one before it, which only a failure in
    /// between explains.
    pub fn refunded(&self) -> Refunded {
        let mut sums: BTreeMap<Option<DateTime<Utc>>, Vec<&Sum>> = BTreeMap::new();
        for sum in &self.sums {
            sums.entry(sum.at).or_default().push(sum);
        }
        let mut failures: Vec<&Failure> = self.failures.iter().collect();
        failures.sort_by_key(|failure| (failure.at.is_none(), failure.at, &failure.refund_id));
        let mut refunded = Refunded { amount: 0, in_full: false };
        for (at, mut told) in sums {
            told.sort_by_key(|sum| (sum.amount, sum.in_full));
            let (past, rest): (Vec<_>, Vec<_>) =
                failures.into_iter().partition(|failure| failure.at.is_some() && failure.at < at);
            let (mut tied, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|failure| failure.at == at);
            refunded.take_off(&past);
            let mut explained = 0;
            for sum in told {
                explained += usize::from(sum.amount <= refunded.amount);
                refunded = Refunded { amount: sum.amount, in_full: sum.in_full };
            }
            tied.drain(..explained.min(tied.len()));
            refunded.take_off(&tied);
            failures = later;
        }
        refunded.take_off(&failures);
        refunded.amount = refunded.amount.max(0);
        refunded
    }
}

impl Refunded {
    fn take_off(&mut self, failures: &[&Failure]) {
        self.amount -= failures.iter().map(|failure| failure.amount).sum::<i64>();
        self.in_full &= failures.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    /// In each order of arrival: sums as amount, whether in full, and time; failures as amount and time.
    fn refunded(
        sums: &[(i64, bool, Option<DateTime<Utc>>)],
        failures: &[(i64, Option<DateTime<Utc>>)],
    ) -> (i64, bool) {
        let mut results = Vec::new();
        for backwards in [false, true] {
            let mut refunds = Refunds::default();
            let sum = |(at_index, (amount, in_full, at)): (usize, &(i64, bool, Option<DateTime<Utc>>))| Sum {
                event_id: at_index.to_string(),
                amount: *amount,
                in_full: *in_full,
                at: *at,
            };
            let failure = |(at_index, (amount, at)): (usize, &(i64, Option<DateTime<Utc>>))| Failure {
                refund_id: at_index.to_string(),
                amount: *amount,
                at: *at,
            };
            let mut sums: Vec<Sum> = sums.iter().enumerate().map(sum).collect();
            let mut failures: Vec<Failure> = failures.iter().enumerate().map(failure).collect();
            if backwards {
                sums.reverse();
                failures.reverse();
                failures.into_iter().for_each(|failure| refunds.hear_failure(failure));
                sums.into_iter().for_each(|sum| refunds.hear_sum(sum));
            } else {
                sums.into_iter().for_each(|sum| refunds.hear_sum(sum));
                failures.into_iter().for_each(|failure| refunds.hear_failure(failure));
            }
            let refunded = refunds.refunded();
            results.push((refunded.amount, refunded.in_full));
        }
        assert_eq!(results[0], results[1], "the order of arrival does not matter");
        results[0]
    }

    #[test]
    fn a_failure_gives_its_amount_back_whenever_it_is_heard_of() {
        for (told, failed) in [(at(1), at(2)), (at(1), at(1)), (None, None), (at(1), None), (None, at(1))] {
            assert_eq!(refunded(&[(4900, true, told)], &[(4900, failed)]), (0, false), "{told:?} {failed:?}");
            assert_eq!(refunded(&[(900, false, told)], &[(400, failed)]), (500, false));
        }
    }

    #[test]
    fn a_sum_that_was_told_after_a_failure_has_it_in_it_already() {
        assert_eq!(refunded(&[(4900, true, at(1)), (4900, true, at(3))], &[(4900, at(2))]), (4900, true));
        assert_eq!(refunded(&[(900, false, at(1)), (500, false, at(3))], &[(900, at(2))]), (500, false));
        // Within one second, a sum that does not grow tells that there was a failure before it.
        assert_eq!(refunded(&[(4900, true, at(1)), (4900, true, at(1))], &[(4900, at(1))]), (4900, true));
        assert_eq!(
            refunded(&[(4900, true, at(1)), (4900, true, at(1))], &[(4900, at(1)), (4900, at(1))]),
            (0, false)
        );
    }

    #[test]
    fn one_of_two_refunds_that_fails_leaves_the_other() {
        let sums = [(900, false, at(1)), (4900, true, at(2))];
        assert_eq!(refunded(&sums, &[]), (4900, true));
        assert_eq!(refunded(&sums, &[(900, at(3))]), (4000, false));
        assert_eq!(refunded(&sums, &[(900, at(3)), (4000, at(4))]), (0, false));
    }

    #[test]
    fn an_older_sum_does_not_lower_it_and_a_failure_alone_is_nothing() {
        assert_eq!(refunded(&[(900, false, None), (400, false, None)], &[]), (900, false));
        assert_eq!(refunded(&[(900, false, at(2)), (400, false, at(1))], &[]), (900, false));
        assert_eq!(refunded(&[], &[(900, at(1))]), (0, false));
    }

    #[test]
    fn a_refund_fails_once_however_many_events_tell_of_it() {
        let mut refunds = Refunds::default();
        refunds.hear_sum(Sum { event_id: "evt".to_owned(), amount: 900, in_full: false, at: at(1) });
        for second in [3, 2, 2] {
            refunds.hear_failure(Failure { refund_id: "re".to_owned(), amount: 400, at: at(second) });
        }
        assert_eq!(refunds.refunded(), Refunded { amount: 500, in_full: false });
    }
}
