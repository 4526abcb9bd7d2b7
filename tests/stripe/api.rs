//! The stand-in's API as any client sees it: keys, limits, errors, lists, idempotency.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::world::{SECRET_KEY, World};

/// What is changed in a right request, the parameter that is then at fault, and Stripe's code for the fault.
type Case<'a> = (Vec<(&'a str, Option<&'a str>)>, &'a str, Option<&'a str>);

pub const CREATE: &str = "/v1/checkout/sessions";

pub fn form(changes: &[(&str, Option<&str>)]) -> String {
    let mut fields = vec![
        ("mode", "payment"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "1000"),
        ("line_items[0][price_data][product_data][name]", "Ware"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "https://shop.example/thanks"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.extend(value.map(|value| (*name, value)));
    }
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test]
async fn only_the_right_key_is_let_in() {
    let world = World::start().await;
    let get = |request: reqwest::RequestBuilder| async {
        let response = request.send().await.unwrap();
        let id = response.headers()["request-id"].to_str().unwrap().to_owned();
        (response.status().as_u16(), id, response.json::<Value>().await.unwrap())
    };
    let request = || world.http.get(world.url(CREATE));
    assert_eq!(get(request().bearer_auth(SECRET_KEY)).await.0, 200);
    assert_eq!(get(request().basic_auth(SECRET_KEY, None::<&str>)).await.0, 200);
    for wrong in [
        request(),
        request().bearer_auth("sk_test_another_key_of_length"),
        request().basic_auth("x", Some("y")),
    ] {
        let (status, id, body) = get(wrong).await;
        assert_eq!(status, 401);
        assert!(id.starts_with("req_"));
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert!(!body.to_string().contains("another_key"), "{body}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_named_as_stripe_names_them() {
    let world = World::start().await;
    let early = (world.clock.now() + TimeDelta::minutes(20)).timestamp().to_string();
    let late = (world.clock.now() + TimeDelta::hours(25)).timestamp().to_string();
    let long = "x".repeat(501);
    let cases: Vec<Case<'_>> = vec![
        (vec![("mode", None)], "mode", Some("parameter_missing")),
        (vec![("mode", Some("subscription"))], "mode", None),
        (vec![("ui_mode", Some("elements"))], "ui_mode", None),
        (vec![("success_url", None)], "success_url", Some("parameter_missing")),
        (vec![("success_url", Some("/thanks"))], "success_url", Some("url_invalid")),
        (vec![("success_url", Some(""))], "success_url", Some("parameter_invalid_empty")),
        (vec![("cancel_url", Some("javascript:alert(1)"))], "cancel_url", Some("url_invalid")),
        (vec![("customer_email", Some("nobody"))], "customer_email", Some("email_invalid")),
        (vec![("expires_at", Some(&early))], "expires_at", None),
        (vec![("expires_at", Some(&late))], "expires_at", None),
        (vec![("expires_at", Some("soon"))], "expires_at", Some("parameter_invalid_integer")),
        (vec![("sucess_url", Some("https://shop.example"))], "sucess_url", Some("parameter_unknown")),
        (vec![("metadata[k]", Some(&long))], "metadata[k]", None),
        (vec![("client_reference_id", Some(&long))], "client_reference_id", None),
        (
            vec![("line_items[0][quantity]", Some("0"))],
            "line_items[0][quantity]",
            Some("parameter_invalid_integer"),
        ),
        (vec![("line_items[0][quantity]", None)], "line_items[0][quantity]", Some("parameter_missing")),
        (
            vec![("line_items[0][price_data][unit_amount]", Some("-1"))],
            "line_items[0][price_data][unit_amount]",
            Some("parameter_invalid_integer"),
        ),
        (
            vec![("line_items[0][price_data][product_data][name]", Some(""))],
            "line_items[0][price_data][product_data][name]",
            Some("parameter_invalid_empty"),
        ),
        (
            vec![("line_items[0][price_data][currency]", Some("dollars"))],
            "line_items[0][price_data][currency]",
            None,
        ),
        (
            vec![("line_items[0][price_data][unit_amount]", Some("49"))],
            "line_items",
            Some("amount_too_small"),
        ),
        (vec![("line_items[0][quantity]", Some("100000"))], "line_items", Some("amount_too_large")),
        (
            vec![
                ("line_items[0][quantity]", Some("999999")),
                ("line_items[0][price_data][unit_amount]", Some("9223372036854775807")),
            ],
            "line_items",
            Some("amount_too_large"),
        ),
    ];
    for (changes, param, code) in cases {
        let response = world.post(CREATE, &form(&changes), None).await;
        assert_eq!(response.status, 400, "{changes:?}: {}", response.text);
        let (actual_param, actual_code, message) = response.error();
        assert_eq!((actual_param, actual_code), (json!(param), json!(code)), "{changes:?}: {message}");
        assert!(!message.is_empty());
    }
    let (_, list) = world.get(CREATE).await;
    assert_eq!(list["data"], json!([]), "nothing wrong was written");
}

#[tokio::test]
async fn one_currency_and_at_most_a_hundred_lines() {
    let world = World::start().await;
    let second = [
        ("line_items[1][price_data][currency]", Some("eur")),
        ("line_items[1][price_data][unit_amount]", Some("100")),
        ("line_items[1][price_data][product_data][name]", Some("Other")),
        ("line_items[1][quantity]", Some("1")),
    ];
    assert_eq!(world.post(CREATE, &form(&second), None).await.status, 400);
    let hundred = world.order_in("EUR", &[(100, 1); 100]);
    world.provider().create_checkout_session(&hundred).await.unwrap();
    let more = primetech_stripe::NewCheckoutSession {
        idempotency_key: "more".to_owned(),
        ..world.order_in("EUR", &[(100, 1); 101])
    };
    world.provider().create_checkout_session(&more).await.unwrap_err();
}

#[tokio::test]
async fn zero_decimal_amounts_are_whole_ones() {
    let world = World::start().await;
    let order = world.order_in("JPY", &[(1_200, 1)]);
    let id = world.provider().create_checkout_session(&order).await.unwrap().id;
    let (_, session) = world.get(&format!("{CREATE}/{id}?expand[]=line_items")).await;
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(1_200), &json!("jpy")));
    assert_eq!(session["line_items"]["data"][0]["price"]["unit_amount"], 1_200);
}

#[tokio::test]
async fn a_key_repeats_its_first_answer_byte_for_byte() {
    let world = World::start().await;
    let first = world.post(CREATE, &form(&[]), Some("key-1")).await;
    let again = world.post(CREATE, &form(&[]), Some("key-1")).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.text, again.text);
    assert!(!first.replayed() && again.replayed());
    assert_ne!(first.headers["request-id"], again.headers["request-id"]);

    let other =
        world.post(CREATE, &form(&[("cancel_url", Some("https://shop.example"))]), Some("key-1")).await;
    assert_eq!((other.status, other.json()["error"]["type"].as_str()), (400, Some("idempotency_error")));

    // The key is one for all paths.
    let elsewhere = world.post("/v1/refunds", &form(&[]), Some("key-1")).await;
    assert_eq!(elsewhere.json()["error"]["type"], "idempotency_error");

    world.clock.advance(TimeDelta::hours(25));
    let forgotten = world.post(CREATE, &form(&[]), Some("key-1")).await;
    assert!(!forgotten.replayed());
    assert_ne!(forgotten.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn a_key_does_not_keep_the_answer_to_wrong_parameters() {
    let world = World::start().await;
    let wrong = form(&[("mode", None)]);
    assert_eq!(world.post(CREATE, &wrong, Some("key-1")).await.status, 400);
    assert!(!world.post(CREATE, &wrong, Some("key-1")).await.replayed());
    assert_eq!(world.post(CREATE, &form(&[]), Some("key-1")).await.status, 200);
    // What an endpoint refused once it was at work is kept.
    let id = world.session().await;
    world.pay(&id, "paid").await;
    let expire = format!("{CREATE}/{id}/expire");
    assert_eq!(world.post(&expire, "", Some("key-2")).await.status, 400);
    assert!(world.post(&expire, "", Some("key-2")).await.replayed());
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict() {
    let world = World::start().await;
    world.tell("mode", json!({ "latencyMs": 300 })).await;
    let body = form(&[]);
    let both = futures_util::future::join_all((0..5).map(|_| world.post(CREATE, &body, Some("key-1")))).await;
    let done: Vec<_> = both.iter().filter(|response| response.status == 200).collect();
    assert_eq!(done.len(), 1);
    for conflict in both.iter().filter(|response| response.status != 200) {
        assert_eq!(conflict.status, 409);
        assert_eq!(conflict.error().1, "idempotency_key_in_use");
        assert_eq!(conflict.headers["stripe-should-retry"], "true");
    }
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, world.post(CREATE, &form(&[]), None).await.json()["id"].clone());
    }
    let (_, first) = world.get(&format!("{CREATE}?limit=3")).await;
    let page: Vec<_> = first["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!((page.as_slice(), &first["has_more"]), (&ids[..3], &json!(true)));
    let (_, rest) =
        world.get(&format!("{CREATE}?limit=3&starting_after={}", page[2].as_str().unwrap())).await;
    let page: Vec<_> = rest["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!((page.as_slice(), &rest["has_more"]), (&ids[3..], &json!(false)));
    for limit in ["0", "101", "x"] {
        assert_eq!(world.get(&format!("{CREATE}?limit={limit}")).await.0, 400, "{limit}");
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_payment_intent() {
    let world = World::start().await;
    let id = world.session().await;
    let intent = world.pay(&id, "paid").await["session"]["payment_intent"].as_str().unwrap().to_owned();
    let (_, list) = world.get(&format!("{CREATE}?payment_intent={intent}")).await;
    assert_eq!((&list["data"][0]["id"], list["data"].as_array().unwrap().len()), (&json!(id), 1));
    let (_, none) = world.get(&format!("{CREATE}?payment_intent=pi_nobody")).await;
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let world = World::start().await;
    for path in
        ["checkout/sessions/cs_1", "payment_intents/pi_1", "charges/ch_1", "refunds/re_1", "events/evt_1"]
    {
        let (status, body) = world.get(&format!("/v1/{path}")).await;
        assert_eq!((status, body["error"]["code"].as_str()), (404, Some("resource_missing")), "{path}");
    }
    assert_eq!(world.get("/v1/nothing").await.0, 404);
    assert_eq!(world.post("/v1/nothing", "", None).await.status, 404);
    assert_eq!(world.http.get(world.url("/")).send().await.unwrap().status(), 404);
    let large = format!("metadata[k]={}", "x".repeat(2_000_000));
    assert_eq!(world.post(CREATE, &large, None).await.status, 413);
}
