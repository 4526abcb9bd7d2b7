//! The result of a check.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Ok,
    /// It works, and someone should look at it.
    Warning,
    /// It does not work, or is not safe.
    Fault,
    /// It could not be looked at, because of another fault or because it is not used.
    Skipped,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    pub name: &'static str,
    pub status: Status,
    pub message: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Check {
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, message: message.into(), advice: None }
    }

    pub fn skipped(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: Status::Skipped, message: message.into(), advice: None }
    }

    pub fn warning(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Warning, message: message.into(), advice: Some(advice.into()) }
    }

    pub fn fault(name: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Fault, message: message.into(), advice: Some(advice.into()) }
    }
}

/// Signatures, sessions and licences are dated by this machine and compared by others: beyond this, things fail.
const FAULTY_OFFSET: TimeDelta = TimeDelta::seconds(60);

/// Compares another's time with this machine's. `unit` is how finely the other tells it.
pub(super) fn compare_clocks(
    name: &'static str,
    theirs: DateTime<Utc>,
    ours: DateTime<Utc>,
    unit: TimeDelta,
) -> Check {
    const ADVICE: &str = "synchronise the clocks by NTP (chrony, systemd-timesyncd): signatures, sessions and numbers depend on them";
    let offset = theirs - ours;
    let beyond = (offset.abs() - unit).max(TimeDelta::zero());
    let seconds = offset.num_milliseconds() as f64 / 1000.0;
    let message = if beyond < TimeDelta::milliseconds(100) {
        "it agrees with this machine's".to_owned()
    } else {
        format!(
            "it is {:.1} s {} this machine's",
            seconds.abs(),
            if seconds < 0.0 { "behind" } else { "ahead of" }
        )
    };
    if beyond > FAULTY_OFFSET {
        Check::fault(name, message, ADVICE)
    } else if beyond > TimeDelta::seconds(2) {
        Check::warning(name, message, ADVICE)
    } else {
        Check::ok(name, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_both_ways() {
        let now = DateTime::UNIX_EPOCH;
        let status = |seconds, unit| {
            let theirs = now + TimeDelta::seconds(seconds);
            compare_clocks("clock", theirs, now, TimeDelta::seconds(unit)).status
        };
        assert_eq!([status(0, 0), status(2, 0), status(-3, 1)], [Status::Ok; 3]);
        assert_eq!([status(3, 0), status(-60, 0)], [Status::Warning; 2]);
        assert_eq!([status(61, 0), status(-3600, 1)], [Status::Fault; 2]);
    }
}
