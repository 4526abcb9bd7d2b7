//! Verifies that a webhook comes from Stripe and is fresh. Pure: the time and the secrets are arguments.
//!
//! Source of the rules: Stripe, "Verify webhook signatures manually". The header is `t=<unix
//! seconds>,v1=<hex>[,v1=<hex>…]`, each `v1` an HMAC-SHA256 of `<t>.<payload>`; other schemes are ignored.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// An older event may be a replay; a newer one comes from a clock that cannot be trusted.
pub const TOLERANCE_SECONDS: i64 = 300;
/// Stripe sends one per active secret, at most two; more is an attempt to make us work.
const MAX_SIGNATURES: usize = 16;
const SIGNATURE_BYTES: usize = 32;

/// Why a webhook is refused. For the log: to the sender all of these are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature header is malformed")]
    Malformed,
    #[error("the signature header has no v1 signature")]
    NoSignature,
    #[error("the signature is older or newer than the tolerance allows")]
    OutsideTolerance,
    #[error("no signature matches")]
    NoMatch,
}

/// Passes where one of the header's `v1` signatures was made over this payload with one of the secrets, at most
/// [`TOLERANCE_SECONDS`] before or after `now`. A secret is used whole, with its `whsec_` in front.
pub fn verify(
    header: &str,
    payload: &[u8],
    secrets: &[SecretString],
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    let header = SignatureHeader::parse(header)?;
    // An empty secret would let anyone sign.
    let secrets = secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| !secret.is_empty());
    let mut matches = Choice::from(0);
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { continue };
        mac.update(header.timestamp_text.as_bytes());
        mac.update(b".");
        mac.update(payload);
        let expected = mac.finalize().into_bytes();
        for signature in &header.signatures {
            matches |= signature.as_slice().ct_eq(expected.as_slice());
        }
    }
    if !bool::from(matches) {
        return Err(SignatureError::NoMatch);
    }
    // After the signature: the time of a header that nobody signed says nothing.
    let age = now.timestamp().checked_sub(header.timestamp).ok_or(SignatureError::OutsideTolerance)?;
    if (-TOLERANCE_SECONDS..=TOLERANCE_SECONDS).contains(&age) {
        Ok(())
    } else {
        Err(SignatureError::OutsideTolerance)
    }
}

struct SignatureHeader<'a> {
    timestamp: i64,
    /// As it was sent, since that is what was signed.
    timestamp_text: &'a str,
    signatures: Vec<[u8; SIGNATURE_BYTES]>,
}

impl<'a> SignatureHeader<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        let mut timestamp_text = None;
        let mut signatures = Vec::new();
        let mut seen = 0;
        for item in header.split(',') {
            let (scheme, value) = item.trim().split_once('=').ok_or(SignatureError::Malformed)?;
            match scheme {
                "t" if timestamp_text.replace(value).is_some() => return Err(SignatureError::Malformed),
                "t" => {}
                "v1" => {
                    seen += 1;
                    if seen > MAX_SIGNATURES {
                        return Err(SignatureError::Malformed);
                    }
                    // One that is no signature at all matches nothing, and takes nothing from its neighbours.
                    signatures.extend(decode_hex(value));
                }
                _ => {}
            }
        }
        let timestamp_text = timestamp_text.ok_or(SignatureError::Malformed)?;
        let digits_only =
            !timestamp_text.is_empty() && timestamp_text.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp =
            timestamp_text.parse().ok().filter(|_| digits_only).ok_or(SignatureError::Malformed)?;
        if seen == 0 {
            return Err(SignatureError::NoSignature);
        }
        Ok(Self { timestamp, timestamp_text, signatures })
    }
}

fn decode_hex(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let text = text.as_bytes();
    if text.len() != SIGNATURE_BYTES * 2 {
        return None;
    }
    let mut bytes = [0_u8; SIGNATURE_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by Stripe's own Python library (16.1.0), `stripe.WebhookSignature._compute_signature`.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER_SECRET: &str = "whsec_test_secret";
    const PAYLOAD: &[u8] = "{\"id\": \"evt_1\", \"object\": \"event\", \"text\": \"Grüße, 世界\"}".as_bytes();
    const TIMESTAMP: i64 = 1_760_000_000;
    const SIGNATURE: &str = "157454a6c4718d8ab673d215ebf191822425c024ff93b9e72f562729eb349ae2";
    const OTHER_SIGNATURE: &str = "860056201a3e346e4f6a7eef9c9e523861f6c726dbb34d471446d89ead427ed1";
    const EMPTY_PAYLOAD_SIGNATURE: &str = "00546c4cf0ae838db3c629bce3a2e06f5e5ad3b87184440654a1dd2bc78fe0e7";
    const EMPTY_SECRET_SIGNATURE: &str = "67b177cbea0cc11b395e0ef29ce087ea7436daeacf4fce478ec3c680e72d4385";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap_or_default()
    }

    fn check(header: &str, payload: &[u8], secrets: &[&str], now: i64) -> Result<(), SignatureError> {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        verify(header, payload, &secrets, at(now))
    }

    #[test]
    fn accepts_what_the_official_library_signed() {
        let header = format!("t={TIMESTAMP},v1={SIGNATURE}");
        assert_eq!(check(&header, PAYLOAD, &[SECRET], TIMESTAMP), Ok(()));
        let header = format!("t={TIMESTAMP},v1={EMPTY_PAYLOAD_SIGNATURE}");
        assert_eq!(check(&header, b"", &[SECRET], TIMESTAMP), Ok(()));
    }

    #[test]
    fn refuses_a_changed_payload_time_secret_or_signature() {
        let header = format!("t={TIMESTAMP},v1={SIGNATURE}");
        let changed_payload = [PAYLOAD, b" "].concat();
        assert_eq!(check(&header, &changed_payload, &[SECRET], TIMESTAMP), Err(SignatureError::NoMatch));
        assert_eq!(check(&header, PAYLOAD, &[OTHER_SECRET], TIMESTAMP), Err(SignatureError::NoMatch));
        assert_eq!(check(&header, PAYLOAD, &[], TIMESTAMP), Err(SignatureError::NoMatch));
        let changed_time = format!("t={},v1={SIGNATURE}", TIMESTAMP + 1);
        assert_eq!(check(&changed_time, PAYLOAD, &[SECRET], TIMESTAMP), Err(SignatureError::NoMatch));
        let padded_time = format!("t=0{TIMESTAMP},v1={SIGNATURE}");
        assert_eq!(check(&padded_time, PAYLOAD, &[SECRET], TIMESTAMP), Err(SignatureError::NoMatch));
        for position in 0..SIGNATURE.len() {
            let mut signature = SIGNATURE.to_owned();
            let other = if &SIGNATURE[position..=position] == "0" { "1" } else { "0" };
            signature.replace_range(position..=position, other);
            let header = format!("t={TIMESTAMP},v1={signature}");
            assert_eq!(
                check(&header, PAYLOAD, &[SECRET], TIMESTAMP),
                Err(SignatureError::NoMatch),
                "{position}"
            );
        }
    }

    #[test]
    fn one_matching_signature_among_several_is_enough() {
        let header = format!("t={TIMESTAMP}, v1={OTHER_SIGNATURE},v1=short,v0=x,v1={SIGNATURE},scheme=");
        assert_eq!(check(&header, PAYLOAD, &[SECRET], TIMESTAMP), Ok(()));
        assert_eq!(check(&header, PAYLOAD, &[OTHER_SECRET], TIMESTAMP), Ok(()));
    }

    #[test]
    fn a_secret_can_be_rotated() {
        let header = format!("t={TIMESTAMP},v1={SIGNATURE}");
        assert_eq!(check(&header, PAYLOAD, &[OTHER_SECRET, SECRET], TIMESTAMP), Ok(()));
        assert_eq!(check(&header, PAYLOAD, &[SECRET, OTHER_SECRET], TIMESTAMP), Ok(()));
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        let header = format!("t={TIMESTAMP},v1={EMPTY_SECRET_SIGNATURE}");
        assert_eq!(check(&header, PAYLOAD, &[""], TIMESTAMP), Err(SignatureError::NoMatch));
    }

    #[test]
    fn the_tolerance_holds_both_ways() {
        let header = format!("t={TIMESTAMP},v1={SIGNATURE}");
        for now in [TIMESTAMP - 300, TIMESTAMP, TIMESTAMP + 300] {
            assert_eq!(check(&header, PAYLOAD, &[SECRET], now), Ok(()), "{now}");
        }
        for now in [0, TIMESTAMP - 301, TIMESTAMP + 301, TIMESTAMP + 86_400] {
            assert_eq!(
                check(&header, PAYLOAD, &[SECRET], now),
                Err(SignatureError::OutsideTolerance),
                "{now}"
            );
        }
    }

    #[test]
    fn malformed_headers_are_told_apart_from_wrong_ones() {
        let too_many = format!("t={TIMESTAMP}{}", format!(",v1={SIGNATURE}").repeat(MAX_SIGNATURES + 1));
        let twice = format!("t={TIMESTAMP},t={TIMESTAMP},v1={SIGNATURE}");
        let far = format!("t=99999999999999999999,v1={SIGNATURE}");
        let signed = format!("t=-{TIMESTAMP},v1={SIGNATURE}");
        let no_time = format!("v1={SIGNATURE}");
        let loose = format!("t={TIMESTAMP},v1={SIGNATURE},");
        for header in
            ["", ",", "t", "t=,v1=", "t=now,v1=x", &too_many, &twice, &far, &signed, &no_time, &loose]
        {
            assert_eq!(
                check(header, PAYLOAD, &[SECRET], TIMESTAMP),
                Err(SignatureError::Malformed),
                "{header}"
            );
        }
        for header in [format!("t={TIMESTAMP}"), format!("t={TIMESTAMP},v0={SIGNATURE}")] {
            assert_eq!(
                check(&header, PAYLOAD, &[SECRET], TIMESTAMP),
                Err(SignatureError::NoSignature),
                "{header}"
            );
        }
    }
}
