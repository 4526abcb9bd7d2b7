//! Lists by page: the cursor of a request, and the shape of an answer.
//!
//! A cursor is the position of the last row of the previous page, so rows that are added meanwhile shift nothing. It
//! is opaque to clients, but no secret: it gives access to nothing that the list would not show.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike};
use primetech_kernel::page::{Page, Position};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::rules::YEARS;

pub const DEFAULT_LIMIT: u32 = 20;

/// Two bytes of the list's tag, eight of microseconds since 1970 and sixteen of the row's id.
const CURSOR_BYTES: usize = 26;

/// What stands for a list in its cursors: a cursor of another list names no place in this one.
pub fn tag(path_pattern: &str) -> u16 {
    let [high, low, ..]: [u8; 32] = Sha256::digest(path_pattern).into();
    u16::from_be_bytes([high, low])
}

pub fn cursor(list: u16, position: &Position) -> String {
    let mut bytes = [0; CURSOR_BYTES];
    bytes[..2].copy_from_slice(&list.to_be_bytes());
    bytes[2..10].copy_from_slice(&position.created_at.timestamp_micros().to_be_bytes());
    bytes[10..].copy_from_slice(position.id.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn parse_cursor(list: u16, text: &str) -> Result<Position, &'static str> {
    const FLAW: &str = "is not a cursor of this list";
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| FLAW)?;
    let (tag, place) = bytes.split_first_chunk::<2>().ok_or(FLAW)?;
    if u16::from_be_bytes(*tag) != list {
        return Err(FLAW);
    }
    let (time, id) = place.split_first_chunk::<8>().ok_or(FLAW)?;
    let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*time))
        .filter(|time| YEARS.contains(&time.year()))
        .ok_or(FLAW)?;
    let id = Uuid::from_slice(id).map_err(|_| FLAW)?;
    Ok(Position { created_at, id })
}

/// The answer of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListAnswer<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

impl<T> From<Page<T>> for ListAnswer<T> {
    fn from(page: Page<T>) -> Self {
        let next_cursor = page.next.as_ref().map(|position| cursor(page.list, position));
        Self { next_cursor, items: page.items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_the_same_place_again() {
        let position = Position {
            created_at: DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap_or_default(),
            id: Uuid::from_u128(7),
        };
        assert_eq!(parse_cursor(7, &cursor(7, &position)), Ok(position));
        assert!(parse_cursor(8, &cursor(7, &position)).is_err(), "it is another list's");
    }

    #[test]
    fn anything_else_is_refused() {
        let far = BASE64_URL_SAFE_NO_PAD.encode([0x7f; CURSOR_BYTES]);
        let long = BASE64_URL_SAFE_NO_PAD.encode([0; CURSOR_BYTES + 1]);
        for text in ["", "x", "AAAA", "=", far.as_str(), long.as_str(), "é"] {
            assert!(parse_cursor(0, text).is_err(), "{text}");
        }
    }
}
