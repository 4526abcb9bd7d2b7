//! Identifiers of the stand-in's objects: Stripe's prefixes, then letters and digits from the operating system's
//! generator, so that two runs, or two stand-ins, never share one.

use rand::{TryRng, rngs::SysRng};

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// The largest multiple of 62 in a byte: bytes from here on are thrown away, or some letters would be likelier.
const UNBIASED_LIMIT: u8 = 248;

/// `prefix` followed by `length` random letters and digits.
///
/// An operating system whose generator fails leaves no way to go on; the error says so.
pub(super) fn random_id(prefix: &str, length: usize) -> Result<String, RandomnessError> {
    let mut id = String::with_capacity(prefix.len() + length);
    id.push_str(prefix);
    let mut bytes = [0_u8; 96];
    while id.len() < prefix.len() + length {
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| RandomnessError(error.to_string()))?;
        let missing = prefix.len() + length - id.len();
        let letters = bytes.iter().filter(|byte| **byte < UNBIASED_LIMIT);
        id.extend(letters.take(missing).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    Ok(id)
}

/// Puts the items in a random order (Fisher and Yates); leaves them as they are where the generator fails,
/// which only makes a test's disorder less.
pub(super) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let Ok(number) = SysRng.try_next_u64() else { return };
        let other = usize::try_from(number % (last as u64 + 1)).unwrap_or(last);
        items.swap(last, other);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the operating system's random generator failed: {0}")]
pub(super) struct RandomnessError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_asked_length_and_do_not_repeat() {
        let ids: std::collections::HashSet<_> =
            (0..1000).filter_map(|_| random_id("cs_test_", 58).ok()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(
            ids.iter().all(|id| id.len() == 66 && id[8..].bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>(), "100 items in their old order are a broken shuffle");
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
