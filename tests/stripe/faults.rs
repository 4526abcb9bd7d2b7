//! Stripe on a bad day: what the client does about it, and that no second session is made.

use std::time::{Duration, Instant};

use primetech_stripe::{ProviderError, UnavailableReason};
use serde_json::json;

use crate::world::{SECRET_KEY, World, provider_at, quick};

fn reason(error: ProviderError) -> UnavailableReason {
    match error {
        ProviderError::Unavailable { reason, .. } => reason,
        refused => panic!("{refused:?}"),
    }
}

async fn session_count(world: &World) -> usize {
    let (status, list) = world.get("/v1/checkout/sessions").await;
    assert_eq!(status, 200);
    list["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_passing_error_is_tried_again() {
    for fault in ["unavailable", "refuse", "rate_limited"] {
        let world = World::start().await;
        world.tell("mode", json!({ "api": fault, "count": 2 })).await;
        let created = world.provider().create_checkout_session(&world.order()).await.unwrap();
        assert_eq!(world.session().await, created.id, "{fault}");
        assert_eq!(session_count(&world).await, 1, "{fault}");
    }
}

#[tokio::test]
async fn a_lasting_error_is_given_up_and_a_later_call_makes_the_one_session() {
    let cases = [
        ("unavailable", UnavailableReason::Status(503)),
        ("rate_limited", UnavailableReason::RateLimited),
        ("refuse", UnavailableReason::Broken),
        ("hang", UnavailableReason::Timeout),
    ];
    for (fault, expected) in cases {
        let world = World::start().await;
        world.tell("mode", json!({ "api": fault })).await;
        let provider = provider_at(world.stand_in.base_url(), SECRET_KEY, quick());
        let began = Instant::now();
        let error = provider.create_checkout_session(&world.order()).await.unwrap_err();
        assert!(
            began.elapsed() < quick().overall + Duration::from_millis(500),
            "{fault}: {:?}",
            began.elapsed()
        );
        assert_eq!(reason(error), expected, "{fault}");
        world.tell("mode", json!({ "api": "ok" })).await;
        assert_eq!(session_count(&world).await, 0, "{fault}: nothing was done");
        provider.create_checkout_session(&world.order()).await.unwrap();
        assert_eq!(session_count(&world).await, 1, "{fault}");
    }
}

/// Stripe stored its failure under the key: only a request with another one gets through.
#[tokio::test]
async fn a_failure_at_work_comes_again_under_its_key_and_not_under_another() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "error500", "count": 1 })).await;
    let provider = world.provider();
    for _ in 0..2 {
        let error = provider.create_checkout_session(&world.order()).await.unwrap_err();
        assert_eq!(reason(error), UnavailableReason::Status(500));
    }
    assert_eq!(session_count(&world).await, 0);
    let another =
        primetech_stripe::NewCheckoutSession { idempotency_key: "checkout-2".to_owned(), ..world.order() };
    provider.create_checkout_session(&another).await.unwrap();
    assert_eq!(session_count(&world).await, 1);
}

#[tokio::test]
async fn the_whole_wait_is_bounded() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "hang" })).await;
    let timeouts = primetech_stripe::ProviderTimeouts {
        attempt: Duration::from_millis(400),
        overall: Duration::from_millis(600),
        ..quick()
    };
    let provider = provider_at(world.stand_in.base_url(), SECRET_KEY, timeouts);
    let began = Instant::now();
    let error = provider.create_checkout_session(&world.order()).await.unwrap_err();
    assert_eq!(reason(error), UnavailableReason::Timeout);
    assert!(began.elapsed() < Duration::from_millis(1_100), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_session() {
    let world = World::start().await;
    world.tell("mode", json!({ "api": "answer_twice" })).await;
    let created = world.provider().create_checkout_session(&world.order()).await.unwrap();
    world.tell("mode", json!({ "api": "ok" })).await;
    assert_eq!(session_count(&world).await, 1);
    assert_eq!(world.session().await, created.id);
}

#[tokio::test]
async fn work_goes_on_when_its_client_went_away() {
    let world = World::start().await;
    world.tell("mode", json!({ "latencyMs": 600 })).await;
    let impatient = primetech_stripe::ProviderTimeouts { overall: Duration::from_millis(250), ..quick() };
    let provider = provider_at(world.stand_in.base_url(), SECRET_KEY, impatient);
    let error = provider.create_checkout_session(&world.order()).await.unwrap_err();
    assert_eq!(reason(error), UnavailableReason::Timeout);
    // The second call meets the first at its work (409), comes again, and gets its answer.
    let created = world.provider().create_checkout_session(&world.order()).await.unwrap();
    world.tell("mode", json!({ "latencyMs": 0 })).await;
    assert_eq!(session_count(&world).await, 1);
    assert_eq!(world.session().await, created.id);
}

#[tokio::test]
async fn the_mode_is_checked() {
    let world = World::start().await;
    for body in [
        json!({ "api": "explode" }),
        json!({ "apy": "ok" }),
        json!({ "delivery": { "times": 0 } }),
        json!({ "latencyMs": 9_999_999 }),
    ] {
        assert_eq!(world.control("mode", body.clone()).await.0, 400, "{body}");
    }
    assert_eq!(world.control("nothing", json!({})).await.0, 404);
}
