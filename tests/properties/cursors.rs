use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use primetech::input::page::{cursor, parse_cursor};
use primetech_actors::page::Position;
use proptest::prelude::*;
use uuid::Uuid;

/// The first microsecond of the year 10000.
const END: i64 = 253_402_300_800_000_000;

proptest! {
    #[test]
    fn a_cursor_names_its_place(micros in 0..END, id in any::<u128>()) {
        let created_at = DateTime::from_timestamp_micros(micros).unwrap();
        let position = Position { created_at, id: Uuid::from_u128(id) };
        prop_assert_eq!(parse_cursor(&cursor(&position)), Ok(position));
    }

    #[test]
    fn whatever_is_taken_is_what_would_be_given(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let text = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
        if let Ok(position) = parse_cursor(&text) {
            prop_assert_eq!(cursor(&position), text);
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Ok(position) = parse_cursor(&text) {
            prop_assert_eq!(cursor(&position), text);
        }
    }
}
