//! Stripe's rule of idempotency keys: what is stored under a key, given again, and refused, and what leaves the key free.
//! Source: Stripe, "Idempotent requests" and "Advanced error handling".

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::api::{CREATE, form};
use crate::world::{ApiResponse, SECRET_KEY, World};

const OTHER: [(&str, Option<&str>); 1] = [("cancel_url", Some("https://shop.example/cart"))];

async fn create(world: &World, key: &str) -> ApiResponse {
    world.post(CREATE, &form(&[]), Some(key)).await
}

async fn session_count(world: &World) -> usize {
    let (status, list) = world.get(CREATE).await;
    assert_eq!(status, 200);
    list["data"].as_array().unwrap().len()
}

/// The key is one that no answer is stored under: a request with other parameters has it.
async fn is_free(world: &World, key: &str) {
    let other = world.post(CREATE, &form(&OTHER), Some(key)).await;
    assert_eq!((other.status, other.replayed()), (200, false), "{}", other.text);
}

#[tokio::test]
async fn a_failure_at_work_is_stored_and_given_again_byte_for_byte() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "error500", "count": 1 })).await;
    let first = create(&world, "key-1").await;
    assert_eq!((first.status, first.replayed()), (500, false));
    assert_eq!(first.json()["error"]["type"], "api_error");
    assert_eq!(first.headers["stripe-should-retry"], "false");

    let again = create(&world, "key-1").await;
    assert_eq!((again.status, again.text.as_str(), again.replayed()), (500, first.text.as_str(), true));
    assert_eq!(again.headers["stripe-should-retry"], "false");
    assert_ne!(again.headers["request-id"], first.headers["request-id"]);
    assert_eq!(session_count(&world).await, 0, "nothing was done");

    let other = world.post(CREATE, &form(&OTHER), Some("key-1")).await;
    assert_eq!((other.status, other.json()["error"]["type"].as_str()), (400, Some("idempotency_error")));
    assert!(!other.replayed());
    assert_eq!(create(&world, "key-2").await.status, 200);
    assert_eq!(session_count(&world).await, 1);
}

#[tokio::test]
async fn a_key_lives_for_a_day_at_least() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "error500", "count": 1 })).await;
    assert_eq!(create(&world, "key-1").await.status, 500);
    world.clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert!(create(&world, "key-1").await.replayed());
    world.clock.advance(TimeDelta::seconds(1));
    let made = create(&world, "key-1").await;
    assert_eq!((made.status, made.replayed()), (200, false), "a key that was forgotten is a new one");
}

#[tokio::test]
async fn what_fails_before_the_work_leaves_the_key_free() {
    for (mode, status) in [("unavailable", 503), ("rate_limited", 429)] {
        let world = World::start().await;
        world.tell("mode", json!({ "api": mode, "count": 1 })).await;
        let failed = create(&world, "key-1").await;
        assert_eq!((failed.status, failed.replayed()), (status, false), "{mode}");
        is_free(&world, "key-1").await;
    }

    let world = World::start().await;
    world.tell("mode", json!({ "api": "refuse", "count": 1 })).await;
    let request = world.http.post(world.url(CREATE)).bearer_auth(SECRET_KEY);
    request.header("idempotency-key", "key-1").body(form(&[])).send().await.unwrap_err();
    is_free(&world, "key-1").await;

    let unauthorised = world.http.post(world.url(CREATE)).bearer_auth("sk_test_another");
    let unauthorised = unauthorised.header("idempotency-key", "key-2").body(form(&[])).send().await.unwrap();
    assert_eq!(unauthorised.status(), 401);
    is_free(&world, "key-2").await;
}

#[tokio::test]
async fn wrong_parameters_are_refused_before_the_work_even_where_that_would_fail() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "error500" })).await;
    let wrong = [
        (CREATE.to_owned(), form(&[("mode", None)])),
        (CREATE.to_owned(), form(&[("line_items[0][price_data][unit_amount]", Some("49"))])),
        ("/v1/refunds".to_owned(), "payment_intent=pi_1&reason=whim".to_owned()),
        (format!("{CREATE}/cs_1/expire"), "force=true".to_owned()),
    ];
    for (path, body) in &wrong {
        for _ in 0..2 {
            let refused = world.post(path, body, Some("key-1")).await;
            assert_eq!((refused.status, refused.replayed()), (400, false), "{path}: {}", refused.text);
        }
    }
    world.tell("mode", json!({ "api": "ok" })).await;
    is_free(&world, "key-1").await;
}

#[tokio::test]
async fn a_conflict_is_not_stored() {
    let world = World::start().await;
    world.tell("mode", json!({ "latencyMs": 300 })).await;
    let both = futures_util::future::join_all((0..2).map(|_| create(&world, "key-1"))).await;
    let mut statuses = both.iter().map(|answer| answer.status).collect::<Vec<_>>();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let again = create(&world, "key-1").await;
    assert_eq!((again.status, again.replayed()), (200, true));
    let done = both.iter().find(|answer| answer.status == 200).unwrap();
    assert_eq!(again.text, done.text);
}

#[tokio::test]
async fn a_failure_without_a_key_is_forgotten() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "error500", "count": 2 })).await;
    let failed = world.post(CREATE, &form(&[]), None).await;
    assert_eq!(failed.status, 500);
    assert!(!failed.headers.contains_key("stripe-should-retry"));
    let (status, body) = world.get(CREATE).await;
    assert_eq!((status, body["error"]["type"].as_str()), (500, Some("api_error")), "reading fails too");
    assert_eq!(world.post(CREATE, &form(&[]), None).await.status, 200);
}

#[tokio::test]
async fn every_call_that_changes_something_stores_its_failure() {
    let world = World::start().await;
    let open = world.session().await;
    let paid = world.post(CREATE, &form(&[]), None).await.json()["id"].as_str().unwrap().to_owned();
    let intent = world.pay(&paid, "paid").await["session"]["payment_intent"].as_str().unwrap().to_owned();
    let calls = [
        (format!("{CREATE}/{open}/expire"), String::new()),
        ("/v1/refunds".to_owned(), format!("payment_intent={intent}&amount=100")),
    ];
    world.tell("mode", json!({ "api": "error500", "count": 2 })).await;
    for (path, body) in &calls {
        assert_eq!(world.post(path, body, Some(path)).await.status, 500, "{path}");
    }
    for (path, body) in &calls {
        let again = world.post(path, body, Some(path)).await;
        assert_eq!((again.status, again.replayed()), (500, true), "{path}");
    }
    let (_, session) = world.get(&format!("{CREATE}/{open}")).await;
    assert_eq!(session["status"], "open");
    let (_, payment) = world.get(&format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(payment["amount_received"], 1_000, "{payment}");
    let charge = payment["latest_charge"].as_str().unwrap();
    assert_eq!(world.get(&format!("/v1/charges/{charge}")).await.1["amount_refunded"], Value::from(0));
    for (path, body) in &calls {
        let done = world.post(path, body, Some(&format!("{path} again"))).await;
        assert_eq!((done.status, done.replayed()), (200, false), "{path}: {}", done.text);
    }
}
