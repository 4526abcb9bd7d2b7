//! What the table of currencies says holds wherever amounts are read, written and described.

use std::collections::BTreeSet;

use primetech::compose::{codes, endpoints};
use primetech::input::rules;
use primetech::openapi::document;
use primetech::routes::currencies::list;
use primetech_actors::money::{self, AmountFault, Currency};
use proptest::prelude::*;
use serde_json::json;

fn any_currency() -> impl Strategy<Value = &'static Currency> {
    (0..money::all().len()).prop_map(|at| &money::all()[at])
}

/// Amounts of every size, most of them of a size that is charged.
fn any_amount() -> impl Strategy<Value = i64> {
    prop_oneof![0..100_000_i64, 0..1_000_000_000_i64, 0..=money::LARGEST_AMOUNT, any::<i64>()]
}

proptest! {
    #[test]
    fn an_amount_is_charged_exactly_within_the_limits(currency in any_currency(), amount in any_amount()) {
        let stepped = amount % currency.step() == 0;
        let price = (0..=currency.maximum()).contains(&amount) && stepped;
        prop_assert_eq!(currency.check_price(amount).is_ok(), price);
        let total = price && (amount == 0 || amount >= currency.minimum());
        prop_assert_eq!(currency.check_total(amount).is_ok(), total);
        prop_assert_eq!(money::check_price(amount, currency.code()), currency.check_price(amount));
        prop_assert_eq!(money::check_total(amount, currency.code()), currency.check_total(amount));
    }

    /// Wherever each price is right, a total is a multiple of the step.
    #[test]
    fn right_prices_add_up_to_a_total_that_only_the_limits_refuse(
        currency in any_currency(),
        lines in prop::collection::vec((0..10_000_i64, 1..=999_i64), 1..50),
    ) {
        let total: i64 = lines.iter().map(|(steps, quantity)| steps * currency.step() * quantity).sum();
        let refused = currency.check_total(total).err();
        prop_assert!(!matches!(refused, Some(AmountFault::OffStep(_) | AmountFault::Negative)), "{refused:?}");
    }

    #[test]
    fn a_products_currency_is_one_of_the_table(text in "[A-Za-z]{2,4}") {
        prop_assert_eq!(rules::currency(&text).is_ok(), money::find(&text).is_some());
        prop_assert_eq!(money::check_price(100, &text).is_ok(), money::find(&text).is_some());
    }
}

#[test]
fn the_list_and_its_description_are_the_table() {
    let answer = serde_json::to_value(list::answer()).unwrap();
    assert_eq!(answer["nextCursor"], json!(null));
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), money::all().len());
    for (item, currency) in items.iter().zip(money::all()) {
        let expected = json!({
            "currency": currency.code(),
            "decimals": currency.decimals(),
            "step": currency.step(),
            "minimum": currency.minimum(),
            "maximum": currency.maximum(),
        });
        assert_eq!(*item, expected);
        assert_eq!(rules::currency(currency.code()).as_deref(), Ok(currency.code()));
    }
    let described =
        &document(&endpoints(), &codes())["components"]["schemas"]["Currency"]["properties"]["currency"];
    let described: BTreeSet<&str> =
        described["enum"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(described, money::all().iter().map(Currency::code).collect());
}
