//! Randomness from the operating system's generator: session tokens, licence keys, ids.

use chrono::{DateTime, Utc};
use rand::TryRng;
use rand::rngs::SysRng;
use uuid::Uuid;

/// The alphabet of every identifier in the contract.
const BASE36: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Fills `bytes` from the operating system.
///
/// # Panics
/// Where the operating system has no random source at all. Going on with anything weaker would hand out
/// guessable tokens; the panic fails the one request.
#[allow(clippy::expect_used, reason = "no safe way to go on without randomness")]
fn fill(bytes: &mut [u8]) {
    SysRng.try_fill_bytes(bytes).expect("the operating system gives no random bytes");
}

/// 256 random bits.
pub fn token_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    bytes
}

/// A version 4 UUID, for what must not tell when it was made.
pub fn opaque_id() -> Uuid {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// A version 7 UUID for a new row: rows made one after the other lie side by side in their indexes.
pub fn row_id(now: DateTime<Utc>) -> Uuid {
    let mut bytes = [0; 10];
    fill(&mut bytes);
    let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
}

/// `N` characters of `0-9A-Z`, each equally likely.
pub fn base36<const N: usize>() -> [u8; N] {
    let mut characters = [0; N];
    let mut filled = 0;
    while filled < N {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        // 252 = 7 * 36: the few bytes above would favour the first characters.
        for byte in bytes.into_iter().filter(|byte| *byte < 252) {
            if filled == N {
                break;
            }
            characters[filled] = BASE36[usize::from(byte % 36)];
            filled += 1;
        }
    }
    characters
}

/// The four-character form of a number below 36^4.
pub fn to_base36(mut number: u32) -> [u8; 4] {
    let mut characters = [b'0'; 4];
    for character in characters.iter_mut().rev() {
        *character = BASE36[(number % 36) as usize];
        number /= 36;
    }
    characters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base36_uses_the_whole_alphabet_and_nothing_else() {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            seen.extend(base36::<12>());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), BASE36);
    }

    #[test]
    fn base36_numbers_are_padded() {
        assert_eq!(&to_base36(0), b"0000");
        assert_eq!(&to_base36(35), b"000Z");
        assert_eq!(&to_base36(36 * 36 * 36 * 36 - 1), b"ZZZZ");
    }
}
