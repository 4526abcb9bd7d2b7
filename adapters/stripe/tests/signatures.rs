//! What holds of signatures, whatever comes in.
#![allow(clippy::unwrap_used)]

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use primetech_stripe::signature::{SignatureError, TOLERANCE_SECONDS, verify};
use proptest::prelude::*;
use secrecy::SecretString;
use sha2::Sha256;

const SECRET: &str = "whsec_of_these_tests";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn signature(timestamp: i64, payload: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(payload);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(header: &str, payload: &[u8]) -> Result<(), SignatureError> {
    verify(header, payload, &[SecretString::from("whsec_old"), SecretString::from(SECRET)], now())
}

/// Items that a header may have beside the right one.
fn noise() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("(v0|v1|v2|x)=[0-9a-f]{0,70}", 0..4)
}

proptest! {
    #[test]
    fn a_right_signature_passes_in_any_company(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        age in -TOLERANCE_SECONDS..=TOLERANCE_SECONDS,
        noise in noise(),
        at in any::<prop::sample::Index>(),
    ) {
        let timestamp = (now() - TimeDelta::seconds(age)).timestamp();
        let mut items = noise;
        items.insert(at.index(items.len() + 1), format!("v1={}", signature(timestamp, &payload)));
        items.insert(at.index(items.len() + 1), format!("t={timestamp}"));
        prop_assert_eq!(check(&items.join(","), &payload), Ok(()));
    }

    #[test]
    fn an_older_or_newer_one_is_refused(
        age in prop_oneof![TOLERANCE_SECONDS + 1..1_700_000_000, -10_000_000_000..-TOLERANCE_SECONDS]
    ) {
        let timestamp = now().timestamp() - age;
        let header = format!("t={timestamp},v1={}", signature(timestamp, b"{}"));
        prop_assert_eq!(check(&header, b"{}"), Err(SignatureError::OutsideTolerance));
    }

    #[test]
    fn another_payload_time_or_signature_is_refused(
        payload in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let timestamp = now().timestamp();
        let right = signature(timestamp, &payload);
        let header = format!("t={timestamp},v1={right}");
        let mut changed = payload.clone();
        changed[at.index(payload.len())] ^= flip;
        prop_assert_eq!(check(&header, &changed), Err(SignatureError::NoMatch));
        let later = format!("t={},v1={right}", timestamp + 1);
        prop_assert_eq!(check(&later, &payload), Err(SignatureError::NoMatch));
        let mut other = right.into_bytes();
        let place = at.index(other.len());
        other[place] = if other[place] == b'0' { b'1' } else { b'0' };
        let header = format!("t={timestamp},v1={}", String::from_utf8(other).unwrap());
        prop_assert_eq!(check(&header, &payload), Err(SignatureError::NoMatch));
    }

    #[test]
    fn no_header_panics_or_passes_unsigned(header in any::<String>(), payload in any::<Vec<u8>>()) {
        prop_assert!(check(&header, &payload).is_err());
    }

    #[test]
    fn nothing_made_of_the_right_parts_passes_unsigned(
        items in prop::collection::vec("(t|v1|v0| t|v1 )=?(-?[0-9]{0,20}|[0-9a-fA-F]{0,70})", 0..20)
    ) {
        prop_assert!(check(&items.join(","), b"[]").is_err());
    }
}
