//! Checks that the object store is reachable, usable and private.

use chrono::TimeDelta;
use primetech_actors::clock::SharedClock;
use primetech_actors::random;
use primetech_s3::{Patience, ProbeError, Storage, StorageSettings};

use super::check::{Check, compare_clocks};
use super::http::{self, Answer};

pub(super) const STORE: &str = "store";
const CONTENT: &[u8] = b"Written by `primetech doctor`, which removes it again.\n";

pub(super) async fn check(settings: StorageSettings, clock: SharedClock) -> Vec<Check> {
    let storage = Storage::new(&settings, Patience::Request);
    if let Err(error) = storage.find_bucket().await {
        return vec![no_bucket(&error, &settings)];
    }
    let key = format!("doctor/{}", random::opaque_id().simple());
    if let Err(error) = storage.write_probe(&key, CONTENT).await {
        let advice =
            "make the key's policy allow s3:PutObject, s3:GetObject and s3:DeleteObject in the bucket";
        return vec![Check::fault(STORE, format!("nothing can be written to the bucket: {error}"), advice)];
    }
    let mut checks = read(&storage, &key, &clock).await;
    if let Err(error) = storage.remove_probe(&key).await {
        checks.push(Check::fault(
            STORE,
            format!("{key} cannot be removed: {error}"),
            "make the key's policy allow s3:DeleteObject; remove the object by hand",
        ));
    }
    if checks.iter().all(|check| check.name != STORE) {
        let message =
            format!("the bucket {} stores, returns and removes objects, and is private", storage.bucket());
        checks.insert(0, Check::ok(STORE, message));
    }
    checks
}

fn no_bucket(error: &ProbeError, settings: &StorageSettings) -> Check {
    let bucket = &settings.bucket;
    let advice = match error.status {
        None => {
            "check that S3_ENDPOINT (or Amazon's, in AWS_REGION) can be reached from this machine".to_owned()
        }
        Some(404) => format!("create the bucket {bucket} without public access, or correct S3_BUCKET_PRIVATE"),
        Some(301) => "the bucket is in another region: correct AWS_REGION".to_owned(),
        Some(401 | 403) => {
            "check that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, that their policy allows \
             s3:ListBucket, and that this machine's clock is correct"
                .to_owned()
        }
        Some(_) => "see the store's log".to_owned(),
    };
    Check::fault(STORE, format!("the bucket {bucket} cannot be used: {error}"), advice)
}

/// Reads the object with a signature, and without.
async fn read(storage: &Storage, key: &str, clock: &SharedClock) -> Vec<Check> {
    let signed = match storage.sign_probe(key).await {
        Ok(signed) => signed,
        Err(error) => {
            let advice = "check that the store's address and keys are correct";
            return vec![Check::fault(STORE, format!("no address can be signed: {error}"), advice)];
        }
    };
    let mut checks = Vec::new();
    match http::get(&signed, None).await {
        Ok(answer) if answer.status == 200 && answer.body == CONTENT => {}
        Ok(answer) => checks.push(Check::fault(
            STORE,
            format!("a signed address does not read the object: status {}", answer.status),
            "make the key's policy allow s3:GetObject, and check that nothing before the store changes the host or path: \
             the signature covers the host of S3_PUBLIC_ENDPOINT, or of S3_ENDPOINT if that is not set",
        )),
        Err(reason) => checks.push(Check::fault(
            STORE,
            format!("a signed address cannot be reached: {reason}"),
            "S3_ENDPOINT, or S3_PUBLIC_ENDPOINT if it is set, must be an address that customers can reach",
        )),
    }
    let unsigned = signed.split('?').next().unwrap_or(&signed);
    let before = clock.now();
    if let Ok(answer) = http::get(unsigned, None).await {
        if is_open(&answer) {
            checks.push(Check::fault(
                STORE,
                "an object can be read without a signature",
                "block all public access to the bucket: anyone who knows an address can read the files",
            ));
        }
        if let Some(date) = answer.date {
            let ours = before + (clock.now() - before) / 2;
            // Told in whole seconds: on average half a one ago.
            let theirs = date + TimeDelta::milliseconds(500);
            checks.push(compare_clocks("store clock", theirs, ours, TimeDelta::seconds(1)));
        }
    }
    let listing = format!("{}?list-type=2&max-keys=1", unsigned.strip_suffix(key).unwrap_or(unsigned));
    if http::get(&listing, None).await.is_ok_and(|answer| is_open(&answer)) {
        checks.push(Check::fault(
            STORE,
            "the bucket's objects can be listed without a signature",
            "block all public access to the bucket",
        ));
    }
    checks
}

fn is_open(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}
