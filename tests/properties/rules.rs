use chrono::{DateTime, Datelike, FixedOffset};
use primetech::input::rules;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_panics_any_rule(text in any::<String>()) {
        let _ = (rules::text(0..=10)(&text), rules::lines(1..=2000)(&text), rules::phone(&text));
        let _ = (rules::idempotency_key(&text), rules::web_url(&text), rules::time(&text), rules::sku(&text));
        let _ = (rules::page_limit(&text), rules::currency(&text), rules::fingerprint(&text), rules::uuid(&text));
        prop_assert!(rules::email(&text).is_err() || text.contains('@'));
    }

    #[test]
    fn an_address_is_folded_once_and_for_all(text in "[A-Za-z0-9.+_-]{1,20}@[A-Za-z0-9-]{1,20}\\.[A-Za-z]{2,6}") {
        if let Ok(folded) = rules::email(&text) {
            prop_assert_eq!(&folded, &text.to_ascii_lowercase());
            prop_assert_eq!(rules::email(&folded).ok(), Some(folded));
        }
    }

    #[test]
    fn a_time_that_is_taken_is_of_the_years_that_are(
        micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000, offset in -1439_i32..1440,
    ) {
        let zone = FixedOffset::east_opt(offset * 60).unwrap();
        let moment = DateTime::from_timestamp_micros(micros).unwrap();
        let taken = rules::time(&moment.with_timezone(&zone).to_rfc3339());
        prop_assert_eq!(taken.is_ok(), (2000..2200).contains(&moment.year()), "{}", moment);
        prop_assert!(taken.is_err() || taken == Ok(moment));
    }

    #[test]
    fn an_address_that_is_passed_on_is_the_one_that_was_checked(text in "https?:[/\\\\]{0,3}[a-z@%:{}.\\\\/?#-]{0,16}") {
        if let Ok(written) = rules::written_url(&text) {
            prop_assert_eq!(&written.text, &text);
            // What a plain reader takes for the host is what was checked.
            let authority = text.split_once("://").unwrap().1.split(['/', '?', '#']).next().unwrap();
            let host = authority.split(':').next().unwrap();
            prop_assert_eq!(written.url.host_str().unwrap(), host);
        }
    }

    #[test]
    fn usual_addresses_are_taken(text in "[a-z0-9]{1,10}(\\.[a-z0-9]{1,10}){0,2}@[a-z0-9]{1,10}\\.[a-z]{2,6}") {
        prop_assert_eq!(rules::email(&text).ok(), Some(text));
    }

    #[test]
    fn text_is_taken_as_it_came_or_not_at_all(text in any::<String>()) {
        if let Ok(taken) = rules::lines(1..=2000)(&text) {
            prop_assert_eq!(taken, text);
        }
    }
}
