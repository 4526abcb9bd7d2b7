//! Passwords: which ones are strong enough, and their hashing with argon2id, bounded and outside the async threads.
//!
//! A password is compared in Unicode's normal form C, because keyboards and systems differ in how they write an `é`.
//! Hashes that are older than this rule cover the text as it was typed, so that form is tried too.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use primetech_kernel::fault::Fault;

/// Fewest and most characters of a password (contract, "Locked: auth").
pub const LENGTH: std::ops::RangeInclusive<usize> = 10..=128;

/// Callers that may wait for their turn at hashing. At about 30 ms a hash, the last waits a few seconds.
const MAX_WAITING: usize = 128;

/// As it is measured, judged and hashed: in normal form C.
pub fn normalized(password: &str) -> SecretString {
    password.nfc().collect::<String>().into()
}

/// A reason to refuse a password, to be shown to the one who chose it.
pub fn weakness(password: &str, email: &str) -> Option<&'static str> {
    let password = normalized(password);
    let password = password.expose_secret();
    let folded = password.to_lowercase();
    let local_part = email.split('@').next().unwrap_or(email);
    if (!email.is_empty() && folded.contains(email))
        || (local_part.chars().count() >= 4 && folded.contains(local_part))
    {
        return Some("must not contain the e-mail address");
    }
    // Score 2 takes more than a million guesses by someone who knows common passwords and patterns.
    let estimate = zxcvbn::zxcvbn(password, &[email, local_part]);
    (estimate.score() < zxcvbn::Score::Two)
        .then_some("is too easy to guess: use more words, or less common ones")
}

/// Hashes and checks passwords, a bounded number at once.
#[derive(Clone)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// The hash of a password that nobody has, with [`argon2id`]'s setting. Checked in place of an unknown user's, so that both
/// answers take as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$vl20ZZJIeDcT6R0C09INDg$FoMJSFtRWPqo479QHzH8BMs9vbUaanysXEaki/e3jwY";

/// OWASP's setting for argon2id: 19 MiB, two passes, one lane.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).unwrap_or_default())
}

/// The hash to store for a password, computed on this thread.
pub fn hash(password: &str) -> Result<String, Fault> {
    argon2id()
        .hash_password(normalized(password).expose_secret().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Fault::internal(format!("hashing a password: {error}")))
}

impl Hasher {
    /// At most `at_once` hashes are computed at the same time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once.max(1))), waiting: Arc::default() }
    }

    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, Fault> {
        self.in_turn(move || hash(password.expose_secret())).await
    }

    /// Whether `password` is the one behind `stored`; with none stored, as slow and false.
    pub(crate) async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<bool, Fault> {
        let known = stored.is_some();
        let stored: Cow<'static, str> = stored.map_or(Cow::Borrowed(NOBODY), Cow::Owned);
        let matches = self
            .in_turn(move || {
                let parsed = PasswordHash::new(&stored).map_err(|error| {
                    Fault::internal(format!("a stored password hash is malformed: {error}"))
                })?;
                let is_of = |text: &str| argon2id().verify_password(text.as_bytes(), &parsed).is_ok();
                let (given, normalized) = (password.expose_secret(), normalized(password.expose_secret()));
                let normalized = normalized.expose_secret();
                // Asked of an unknown user's hash in the same way, so that the time does not tell.
                Ok(is_of(normalized) || (normalized != given && is_of(given)))
            })
            .await?;
        Ok(matches && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _place = Place::take(&self.waiting).ok_or(Fault::Overloaded)?;
        let _turn = self.turns.acquire().await.map_err(|_| Fault::Overloaded)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Fault::internal("hashing a password panicked"))?
    }
}

/// A place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(waiting));
        (waiting.fetch_add(1, Ordering::AcqRel) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_and_ones_with_the_address_are_weak() {
        for weak in [
            "password123",
            "qwertyuiop",
            "1234567890",
            "aaaaaaaaaaaa",
            "jane.doe-2026!x",
            "XX-jane.doe@shop.example",
        ] {
            assert!(weakness(weak, "jane.doe@shop.example").is_some(), "{weak}");
        }
    }

    #[test]
    fn long_and_uncommon_passwords_are_strong() {
        for strong in
            ["correct horse battery staple", "vR7#kq2!mZp0", "Tr0ub4dor&3-and-more", "s3cure-Passw0rd!"]
        {
            assert!(weakness(strong, "jane.doe@shop.example").is_none(), "{strong}");
        }
    }

    #[tokio::test]
    async fn a_password_matches_in_whichever_form_it_is_written() -> Result<(), Fault> {
        let (composed, decomposed) = ("caf\u{e9}-vR7#kq2!", "cafe\u{301}-vR7#kq2!");
        let hasher = Hasher::new(1);
        for set in [composed, decomposed] {
            let stored = hasher.hash(set.into()).await?;
            for given in [composed, decomposed] {
                assert!(hasher.verify(given.into(), Some(stored.clone())).await?, "{set} {given}");
            }
            assert!(!hasher.verify("cafe-vR7#kq2!".into(), Some(stored)).await?);
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_hash_from_before_the_rule_takes_the_text_that_it_was_made_of() -> Result<(), Fault> {
        let decomposed = "cafe\u{301}-vR7#kq2!";
        let hash = argon2id().hash_password(decomposed.as_bytes()).map(|hash| hash.to_string());
        let stored = hash.map_err(|error| Fault::internal(error.to_string()))?;
        let hasher = Hasher::new(1);
        assert!(hasher.verify(decomposed.into(), Some(stored.clone())).await?);
        assert!(!hasher.verify("cafe-vR7#kq2!".into(), Some(stored)).await?);
        Ok(())
    }

    #[test]
    fn an_unknown_user_s_hash_takes_as_long_as_a_stored_one() -> Result<(), Fault> {
        let setting = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(setting(NOBODY), setting(&hash("vR7#kq2!mZp0")?));
        let salt_and_hash = |hash: &str| hash.rsplit('$').take(2).map(str::len).collect::<Vec<_>>();
        assert_eq!(salt_and_hash(NOBODY), salt_and_hash(&hash("vR7#kq2!mZp0")?));
        // The hash is valid, and its password signs nobody in.
        let parsed = PasswordHash::new(NOBODY).map_err(|error| Fault::internal(error.to_string()))?;
        assert!(argon2id().verify_password(b"a password that nobody has", &parsed).is_ok());
        Ok(())
    }

    #[tokio::test]
    async fn a_password_matches_only_its_own_hash() -> Result<(), Fault> {
        let hasher = Hasher::new(1);
        let stored = hasher.hash("vR7#kq2!mZp0".into()).await?;
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "OWASP's setting");
        assert!(hasher.verify("vR7#kq2!mZp0".into(), Some(stored.clone())).await?);
        assert!(!hasher.verify("vR7#kq2!mZp1".into(), Some(stored)).await?);
        assert!(!hasher.verify("a password that nobody has".into(), None).await?);
        Ok(())
    }
}
