//! The rate limit headers.
//!
//! `RateLimit-Policy` and `RateLimit` follow draft-ietf-httpapi-ratelimit-headers since its revision 08: lists of
//! strings with parameters (RFC 9651). `RateLimit-Limit`, `-Remaining` and `-Reset` follow its revisions up to 06,
//! which most client libraries know; they describe the limit that is reached first. Times are whole seconds, rounded
//! up, so a client that waits as long as stated is not refused again.

use std::fmt::Write as _;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::policy::Standing;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT_NOW: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Writes how the caller stands in each of the buckets that the request met.
pub(crate) fn write(headers: &mut HeaderMap, standings: &[Standing]) {
    let Some(tightest) = standings.iter().min_by_key(|standing| {
        (standing.allowed, standing.remaining, std::cmp::Reverse(standing.more_after))
    }) else {
        return;
    };
    let (mut policies, mut limits) = (String::new(), String::new());
    for Standing { policy, remaining, more_after, .. } in standings {
        let separator = if policies.is_empty() { "" } else { ", " };
        let (name, window) = (policy.bucket.name(), policy.window.as_secs());
        // Writing to a string does not fail.
        let _ = write!(policies, "{separator}\"{name}\";q={};w={window}", policy.limit);
        let _ = write!(limits, "{separator}\"{name}\";r={remaining};t={}", seconds(*more_after));
    }
    // Names and numbers: always fit for a header.
    for (name, value) in [(POLICY, policies), (LIMIT_NOW, limits)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers.insert(LIMIT, HeaderValue::from(tightest.policy.limit));
    headers.insert(REMAINING, HeaderValue::from(tightest.remaining));
    headers.insert(RESET, HeaderValue::from(seconds(tightest.more_after)));
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::{Bucket, Policy};
    use super::*;

    fn standing(bucket: Bucket, limit: u32, remaining: u32, milliseconds: u64) -> Standing {
        Standing {
            policy: Policy { bucket, limit, window: Duration::from_secs(900) },
            allowed: remaining > 0,
            remaining,
            more_after: Duration::from_millis(milliseconds),
        }
    }

    fn written(standings: &[Standing]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        write(&mut headers, standings);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        lines.sort();
        lines
    }

    fn lines(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn one_bucket() {
        let expected = lines(&[
            ("ratelimit", "\"auth\";r=19;t=900"),
            ("ratelimit-limit", "20"),
            ("ratelimit-policy", "\"auth\";q=20;w=900"),
            ("ratelimit-remaining", "19"),
            ("ratelimit-reset", "900"),
        ]);
        assert_eq!(written(&[standing(Bucket::Auth, 20, 19, 899_001)]), expected);
    }

    #[test]
    fn of_two_buckets_the_tighter_one_is_told_to_older_clients() {
        let both = [standing(Bucket::Auth, 20, 14, 880_000), standing(Bucket::LoginFailures, 5, 0, 600_000)];
        let expected = lines(&[
            ("ratelimit", "\"auth\";r=14;t=880, \"login-failures\";r=0;t=600"),
            ("ratelimit-limit", "5"),
            ("ratelimit-policy", "\"auth\";q=20;w=900, \"login-failures\";q=5;w=900"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "600"),
        ]);
        assert_eq!(written(&both), expected);
    }

    #[test]
    fn without_limits_nothing_is_said() {
        assert_eq!(written(&[]), []);
    }
}
