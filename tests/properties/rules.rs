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
