//! The stand-in charges what the table of currencies says that Stripe charges, and nothing else.

use primetech_actors::money::{self, Currency};
use primetech_stripe::{NewCheckoutSession, ProviderError};
use serde_json::json;

use crate::world::World;

/// Amounts on both sides of each limit of a currency.
fn amounts(of: &Currency) -> Vec<i64> {
    let (step, least, most) = (of.step(), of.minimum(), of.maximum());
    let mut amounts =
        vec![0, 1, step, step + 1, least - 1, least, least + step, least + 1, most, most - most % step];
    amounts.extend([most + 1, most - most % step + step, 4_242_400]);
    amounts.sort_unstable();
    amounts.dedup();
    amounts
}

#[tokio::test(flavor = "multi_thread")]
async fn each_currency_is_charged_within_its_limits_and_not_beyond() {
    let world = World::start().await;
    let provider = world.provider();
    let mut calls = 0;
    for currency in money::all() {
        for amount in amounts(currency) {
            calls += 1;
            let order = NewCheckoutSession {
                idempotency_key: format!("{}-{amount}", currency.code()),
                ..world.order_in(currency.code(), &[(amount, 1)])
            };
            let answer = provider.create_checkout_session(&order).await;
            let expected = currency.check_total(amount);
            assert_eq!(answer.is_ok(), expected.is_ok(), "{amount} {}: {answer:?}", currency.code());
        }
    }
    assert!(calls >= 6 * money::all().len(), "{calls}");
}

#[tokio::test]
async fn what_cannot_be_charged_is_refused_as_stripe_refuses_it() {
    let world = World::start().await;
    let unit_amount = "line_items[0][price_data][unit_amount]";
    for (currency, amount, quantity, code, param) in [
        ("USD", 10, 1, "amount_too_small", "line_items"),
        ("JPY", 49, 1, "amount_too_small", "line_items"),
        ("HUF", 17_499, 1, "amount_too_small", "line_items"),
        ("HUF", 120_000_000, 1, "amount_too_large", "line_items"),
        ("USD", 50_000_000, 2, "amount_too_large", "line_items"),
        ("KWD", 12_345, 1, "parameter_invalid_integer", unit_amount),
        ("ISK", 150, 1, "parameter_invalid_integer", unit_amount),
        ("UGX", 505, 1, "parameter_invalid_integer", unit_amount),
        // Both together come to 10.00.
        ("ISK", 50, 20, "parameter_invalid_integer", unit_amount),
    ] {
        let order = world.order_in(currency, &[(amount, quantity)]);
        let refused = world.provider().create_checkout_session(&order).await.unwrap_err();
        let ProviderError::Refused { status, code: actual_code, param: actual_param, .. } = refused else {
            panic!("{amount} {currency}: {refused:?}");
        };
        assert_eq!(
            (status, actual_code.as_deref(), actual_param.as_deref()),
            (400, Some(code), Some(param)),
            "{amount} {currency}"
        );
    }
    let five_dimes = world.order_in("USD", &[(10, 5)]);
    world.provider().create_checkout_session(&five_dimes).await.unwrap();
}

#[tokio::test]
async fn a_currency_that_stripe_does_not_charge_is_refused() {
    let world = World::start().await;
    let order = world.order_in("XXX", &[(1_000, 1)]);
    let refused = world.provider().create_checkout_session(&order).await.unwrap_err();
    let ProviderError::Refused { status, param, message, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((status, param.as_deref()), (400, Some("line_items[0][price_data][currency]")));
    assert!(
        message.starts_with("Invalid currency: xxx. Stripe currently supports these currencies: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_part_is_refunded_in_steps_too() {
    let world = World::start().await;
    let order = world.order_in("KWD", &[(12_340, 1)]);
    let id = world.provider().create_checkout_session(&order).await.unwrap().id;
    let paid = world.pay(&id, "paid").await;
    let intent = paid["session"]["payment_intent"].as_str().unwrap();
    let refund = |amount: i64| {
        let form = format!("payment_intent={intent}&amount={amount}");
        let world = &world;
        async move { world.post("/v1/refunds", &form, None).await }
    };
    let refused = refund(1_005).await;
    assert_eq!((refused.status, refused.error().0), (400, json!("amount")), "{}", refused.text);
    assert_eq!(refund(1_000).await.status, 200);
    assert_eq!(refund(11_340).await.status, 200);
}
