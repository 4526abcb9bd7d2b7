use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use primetech::input::page::{cursor, parse_cursor};
use primetech_actors::page::Position;
use proptest::prelude::*;
use uuid::Uuid;

/// The first microseconds of the years 2000 and 2200.
const BEGIN: i64 = 946_684_800_000_000;
const END: i64 = 7_258_118_400_000_000;

proptest! {
    #[test]
    fn a_cursor_names_its_place_in_its_list(micros in BEGIN..END, id in any::<u128>(), list: u16, other: u16) {
        let created_at = DateTime::from_timestamp_micros(micros).unwrap();
        let position = Position { created_at, id: Uuid::from_u128(id) };
        prop_assert_eq!(parse_cursor(list, &cursor(list, &position)), Ok(position));
        prop_assert_eq!(parse_cursor(other, &cursor(list, &position)).is_ok(), other == list);
    }

    #[test]
    fn whatever_is_taken_is_what_would_be_given(list: u16, rest in prop::collection::vec(any::<u8>(), 0..40)) {
        let bytes = [list.to_be_bytes().as_slice(), &rest].concat();
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        if let Ok(position) = parse_cursor(list, &text) {
            prop_assert_eq!(cursor(list, &position), text);
        }
    }

    #[test]
    fn no_text_panics(list: u16, text in any::<String>()) {
        if let Ok(position) = parse_cursor(list, &text) {
            prop_assert_eq!(cursor(list, &position), text);
        }
    }
}
