use primetech_actors::identifiers::{BookingRef, InvoiceNumber, LicenceKey, OrderNumber, ReceiptNumber};
use proptest::prelude::*;

/// Each type's parser, and what it writes of what it read.
type Parser = fn(&str) -> Option<String>;
const PARSERS: [(&str, Parser); 5] = [
    ("ORD-[0-9]{8}-[A-Z0-9]{4}", |text| OrderNumber::parse(text).ok().map(|it| it.as_str().to_owned())),
    ("INV-[0-9]{4}-[0-9]{6}", |text| InvoiceNumber::parse(text).ok().map(|it| it.as_str().to_owned())),
    ("RCP-[0-9]{4}-[0-9]{6}", |text| ReceiptNumber::parse(text).ok().map(|it| it.as_str().to_owned())),
    ("BKG-[A-Z0-9]{8}", |text| BookingRef::parse(text).ok().map(|it| it.as_str().to_owned())),
    ("LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}", |text| {
        LicenceKey::parse(text).ok().map(|it| it.as_str().to_owned())
    }),
];

fn one_of_its_form() -> impl Strategy<Value = (usize, String)> {
    (0..PARSERS.len()).prop_flat_map(|kind| {
        proptest::string::string_regex(PARSERS[kind].0).unwrap().prop_map(move |text| (kind, text))
    })
}

proptest! {
    #[test]
    fn what_is_of_the_form_is_read_and_written_again((kind, text) in one_of_its_form()) {
        prop_assert_eq!(PARSERS[kind].1(&text), Some(text.clone()));
        for (other, (_, parse)) in PARSERS.iter().enumerate() {
            prop_assert_eq!(parse(&text).is_some(), other == kind);
        }
    }

    #[test]
    fn one_changed_character_outside_the_form_is_refused(
        (kind, text) in one_of_its_form(), at in any::<prop::sample::Index>(), by in "[a-z _\u{0}é０]"
    ) {
        let at = at.index(text.len());
        let mut changed = text.clone();
        changed.replace_range(at..=at, &by);
        prop_assert_eq!(PARSERS[kind].1(&changed), None, "{}", changed);
    }

    #[test]
    fn more_or_less_is_refused((kind, text) in one_of_its_form(), cut in 1..5_usize, more in ".{1,3}") {
        prop_assert_eq!(PARSERS[kind].1(&text[..text.len() - cut]), None);
        prop_assert_eq!(PARSERS[kind].1(&format!("{text}{more}")), None);
        prop_assert_eq!(PARSERS[kind].1(&format!("{more}{text}")), None);
    }

    #[test]
    fn anything_else_is_refused_and_nothing_panics(text in any::<String>()) {
        for (_, parse) in PARSERS {
            prop_assert_eq!(parse(&text), None);
        }
    }
}

#[test]
fn made_ones_are_of_their_forms() {
    for _ in 0..1000 {
        assert!(LicenceKey::parse(LicenceKey::generate().as_str()).is_ok());
        assert!(BookingRef::parse(BookingRef::generate().as_str()).is_ok());
    }
}
