//! When to ask the provider again. Needs no database.

use chrono::{DateTime, TimeDelta, Utc};

/// Between two questions about one payment, at the most. A bank debit takes days.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(6);

/// After a session's end, before its end is asked about: the provider's own event comes first, as a rule.
const AFTER_EXPIRY: TimeDelta = TimeDelta::minutes(2);

/// The provider has not ended a session whose time is over.
const ENDING_LATE: TimeDelta = TimeDelta::minutes(5);

/// How old an attempt is when no session of it can be paid any more, though none was noted: its session ends 23 hours
/// after the attempt began. A checkout may be repeated under its key for 24 hours, but then begins another attempt.
const SESSIONLESS: TimeDelta = TimeDelta::hours(25);

/// What an outage adds before the next question.
const AFTER_OUTAGE: TimeDelta = TimeDelta::minutes(1);

/// `spread` is a number from 0 to 1, by which many payments of one moment come apart again.
fn spread_out(pause: TimeDelta, spread: f64) -> TimeDelta {
    let tenth = pause.num_milliseconds() as f64 / 10.0;
    pause + TimeDelta::milliseconds((tenth * spread) as i64)
}

/// The next question about a session that is open, or whose money is on its way: at about twice the payment's age, or
/// when the session ends, whichever is first.
pub(super) fn next_of_session(
    now: DateTime<Utc>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    is_open: bool,
    first_after: TimeDelta,
    spread: f64,
) -> DateTime<Utc> {
    let pause = (now - created_at).max(first_after).min(LONGEST_PAUSE);
    let next = now + spread_out(pause, spread);
    if !is_open {
        next
    } else if now >= expires_at {
        now + spread_out(ENDING_LATE, spread)
    } else {
        next.min(expires_at + spread_out(AFTER_EXPIRY, spread))
    }
}

/// The next question about an order without a session: once it can have none any more.
pub(super) fn next_of_sessionless(attempted_at: DateTime<Utc>, spread: f64) -> DateTime<Utc> {
    attempted_at + SESSIONLESS + spread_out(AFTER_EXPIRY, spread)
}

/// Whether an order without a session can have none any more.
pub(super) fn is_abandoned(now: DateTime<Utc>, attempted_at: DateTime<Utc>) -> bool {
    now >= attempted_at + SESSIONLESS
}

pub(super) fn next_after_outage(now: DateTime<Utc>, spread: f64) -> DateTime<Utc> {
    // What piled up comes back over a minute, not at once.
    now + spread_out(AFTER_OUTAGE, 10.0 * spread)
}

/// The next question where nothing can be concluded: an operator has to look at it.
pub(super) fn next_of_unsettled(now: DateTime<Utc>, spread: f64) -> DateTime<Utc> {
    now + spread_out(LONGEST_PAUSE, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: TimeDelta = TimeDelta::minutes(15);

    #[test]
    fn an_open_session_is_asked_about_ever_more_seldom_and_right_after_its_end() {
        let created = DateTime::<Utc>::UNIX_EPOCH;
        let expires = created + TimeDelta::hours(23);
        let mut now = created + FIRST;
        let mut ages = Vec::new();
        while now < expires {
            ages.push((now - created).num_minutes());
            now = next_of_session(now, created, expires, true, FIRST, 0.0);
        }
        assert_eq!(ages, [15, 30, 60, 120, 240, 480, 840, 1200]);
        assert_eq!(now, expires + AFTER_EXPIRY);
        assert_eq!(next_of_session(now, created, expires, true, FIRST, 0.0), now + ENDING_LATE);
        // Money on its way has no end of its own.
        assert_eq!(next_of_session(now, created, expires, false, FIRST, 0.0), now + LONGEST_PAUSE);
    }

    #[test]
    fn an_outage_is_spread_over_a_minute() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(next_after_outage(now, 0.0), now + TimeDelta::minutes(1));
        assert_eq!(next_after_outage(now, 1.0), now + TimeDelta::minutes(2));
    }
}
