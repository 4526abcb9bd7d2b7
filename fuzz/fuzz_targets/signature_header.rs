//! Any text as a `Stripe-Signature` header: no panic, and nothing passes that was not signed.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use primetech_stripe::signature::verify;
use secrecy::SecretString;

fuzz_target!(|input: (&str, &[u8])| {
    let (header, payload) = input;
    let secrets = [SecretString::from("whsec_that_the_fuzzer_does_not_know")];
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
    assert!(verify(header, payload, &secrets, now).is_err());
});
