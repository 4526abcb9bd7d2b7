use primetech_actors::webhook::event::{Content, Event};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON of some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(field(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Names that mean something, mostly.
fn field() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "id",
        "type",
        "data",
        "object",
        "payment_status",
        "amount_total",
        "currency",
        "payment_intent",
        "metadata",
        "tenantId",
        "orderId",
        "refunded",
        "amount",
        "amount_refunded",
        "status",
    ];
    prop_oneof![4 => prop::sample::select(NAMES).prop_map(str::to_owned), 1 => any::<String>()]
}

const KINDS: [&str; 10] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "customer.created",
];

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Some(event) = Event::parse(&text) {
            prop_assert!(event.id.bytes().chain(event.kind.bytes()).all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn no_json_panics_and_an_id_is_all_that_an_event_needs(body in any_json()) {
        let is_plain = |id: &str| (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        let has_id = body.get("id").and_then(Value::as_str).is_some_and(is_plain);
        prop_assert_eq!(Event::parse(&body.to_string()).is_some(), has_id);
    }

    #[test]
    fn known_kinds_mean_something_or_say_what_is_missing(
        kind in prop::sample::select(KINDS.as_slice()), object in any_json()
    ) {
        let body = json!({"id": "evt_1", "type": kind, "data": {"object": object}});
        let event = Event::parse(&body.to_string()).unwrap();
        prop_assert_eq!(&event.kind, kind);
        prop_assert_eq!(matches!(event.content, Content::Nothing), kind == "customer.created");
    }

    #[test]
    fn no_amount_below_zero_is_taken(amount in any::<i64>()) {
        let object = json!({
            "id": "cs_1", "payment_status": "paid", "amount_total": amount, "currency": "usd", "payment_intent": "pi_1"
        });
        let body = json!({"id": "evt_1", "type": "checkout.session.completed", "data": {"object": object}});
        let event = Event::parse(&body.to_string()).unwrap();
        prop_assert_eq!(matches!(event.content, Content::Session(_)), amount >= 0);
    }
}
