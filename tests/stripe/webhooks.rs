//! How events reach an endpoint: signed, repeated, late, shuffled, retried, held.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use primetech_stripe::signature::{self, SignatureError};
use secrecy::SecretString;
use serde_json::json;
use stripe_webhook::{EventObject, Webhook};

use crate::world::{WEBHOOK_SECRET, World};

#[tokio::test]
async fn every_delivery_is_signed_over_its_very_bytes() {
    let world = World::start().await;
    let id = world.session().await;
    world.pay(&id, "paid").await;
    for received in world.receiver.received() {
        received.verify();
        assert_eq!(received.signed_at(), world.clock.now());
        assert!(received.headers["user-agent"].to_str().unwrap().starts_with("Stripe/1.0"));
        assert_eq!(received.headers["content-type"], "application/json; charset=utf-8");
        let other = [SecretString::from("whsec_another")];
        let refused = signature::verify(received.signature(), &received.body, &other, world.clock.now());
        assert_eq!(refused, Err(SignatureError::NoMatch));
        let late = world.clock.now() + TimeDelta::seconds(301);
        let ours = [SecretString::from(WEBHOOK_SECRET)];
        let refused = signature::verify(received.signature(), &received.body, &ours, late);
        assert_eq!(refused, Err(SignatureError::OutsideTolerance));
    }
}

/// async-stripe checks signature and shape by itself; the signature it makes is one ours must accept.
#[tokio::test]
async fn async_stripe_reads_every_event() {
    let world = World::start().await;
    let paid = world.session().await;
    let intent = world.pay(&paid, "paid").await["session"]["payment_intent"].as_str().unwrap().to_owned();
    let dispute = format!("payment_intents/{intent}/dispute");
    world.tell(&dispute, json!({ "action": "create" })).await;
    world.tell(&dispute, json!({ "action": "won" })).await;
    world.tell(&format!("payment_intents/{intent}/refund"), json!({})).await;
    let debit = primetech_stripe::NewCheckoutSession { idempotency_key: "debit".to_owned(), ..world.order() };
    let debit = world.provider().create_checkout_session(&debit).await.unwrap().id;
    world.pay(&debit, "declined").await;
    world.pay(&debit, "async_failed").await;

    let received = world.receiver.received();
    assert_eq!(received.len(), 15);
    for one in &received {
        let payload = std::str::from_utf8(&one.body).unwrap();
        let event = Webhook::insecure(payload).unwrap_or_else(|error| panic!("{}: {error}", one.kind()));
        assert_eq!(event.api_version, Some(stripe_client_core::VERSION), "{}", one.kind());
        assert!(!matches!(event.data.object, EventObject::Unknown(_)), "{}", one.kind());
        let header =
            Webhook::generate_test_header(payload, WEBHOOK_SECRET, Some(world.clock.now().timestamp()));
        assert_eq!(header, one.signature());
    }
}

#[tokio::test]
async fn an_event_can_come_many_times_at_once() {
    let world = World::start().await;
    let id = world.session().await;
    let body = json!({ "deliver": { "times": 50, "concurrent": true } });
    let answer = world.tell(&format!("sessions/{id}/pay"), body).await;
    assert_eq!(answer["deliveries"].as_array().unwrap().len(), 150);
    let mut bodies: BTreeMap<String, HashSet<Vec<u8>>> = BTreeMap::new();
    for received in world.receiver.received() {
        bodies.entry(received.id()).or_default().insert(received.body);
    }
    assert_eq!(world.receiver.received().len(), 150);
    assert_eq!(bodies.len(), 3);
    assert!(bodies.values().all(|bodies| bodies.len() == 1), "each time the same bytes");
}

#[tokio::test]
async fn events_can_come_late() {
    let world = World::start().await;
    let id = world.session().await;
    let began = Instant::now();
    let body = json!({ "deliver": { "delayMs": 300 } });
    world.tell(&format!("sessions/{id}/pay"), body).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    let (_, session) = world.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(session["payment_status"], "paid");
    assert_eq!(world.receiver.received().len(), 3);
}

#[tokio::test]
async fn held_events_come_shuffled_when_they_are_released() {
    let world = World::start().await;
    world.tell("mode", json!({ "webhooks": "hold" })).await;
    let id = world.session().await;
    let answer = world.pay(&id, "paid").await;
    assert_eq!(answer["deliveries"][0]["held"], true);
    let intent = answer["session"]["payment_intent"].as_str().unwrap().to_owned();
    for _ in 0..10 {
        world.tell(&format!("payment_intents/{intent}/refund"), json!({ "amount": 10 })).await;
    }
    assert_eq!(world.receiver.received().len(), 0);
    world.tell("mode", json!({ "webhooks": "ok" })).await;
    let released = world.tell("release", json!({ "shuffle": true, "times": 2 })).await;
    let in_order: Vec<_> =
        released["events"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
    assert_eq!(in_order.len(), 23);
    let received: Vec<_> = world.receiver.received().iter().map(|one| json!(one.id())).collect();
    assert_eq!(received.len(), 46);
    assert_eq!(received.iter().collect::<HashSet<_>>(), in_order.iter().collect::<HashSet<_>>());
    let first_seen: Vec<_> = in_order.iter().map(|id| received.iter().position(|one| one == id)).collect();
    assert!(!first_seen.is_sorted(), "46 deliveries in order are a broken shuffle");
    assert_eq!(world.tell("release", json!({})).await["events"], json!([]), "a release empties the queue");
}

#[tokio::test]
async fn a_refused_event_comes_again_signed_anew_until_it_is_accepted() {
    let world = World::start().await;
    let (clock, tries) = (world.clock.clone(), AtomicU32::new(0));
    // Each try moves the clock by a minute: an old signature would be refused by then.
    world.receiver.answer_with(move |received| {
        if received.kind() != "checkout.session.completed" {
            return 200;
        }
        clock.advance(TimeDelta::minutes(1));
        if tries.fetch_add(1, Ordering::SeqCst) < 4 { 500 } else { 200 }
    });
    let id = world.session().await;
    let answer = world.pay(&id, "paid").await;
    assert_eq!(answer["deliveries"][2]["status"], 500);
    let all = world
        .receiver
        .wait_until("the fifth try", |all| {
            all.iter().filter(|one| one.kind() == "checkout.session.completed").count() == 5
        })
        .await;
    let tries: Vec<_> = all.iter().filter(|one| one.kind() == "checkout.session.completed").collect();
    assert_eq!(tries.iter().map(|one| one.id()).collect::<HashSet<_>>().len(), 1);
    for (number, one) in tries.iter().enumerate() {
        one.verify();
        let age = one.signed_at() - tries[0].signed_at();
        assert_eq!(age, TimeDelta::minutes(number.try_into().unwrap()));
    }
}

#[tokio::test]
async fn an_event_can_be_redelivered_by_hand() {
    let world = World::start().await;
    let id = world.session().await;
    let answer = world.pay(&id, "paid").await;
    let event = answer["events"][2]["id"].as_str().unwrap();
    let again = world.tell(&format!("events/{event}/redeliver"), json!({ "deliver": { "times": 3 } })).await;
    assert_eq!(again["deliveries"].as_array().unwrap().len(), 3);
    assert_eq!(world.receiver.received().iter().filter(|one| one.id() == event).count(), 4);
    assert_eq!(world.control("events/evt_nobody/redeliver", json!({})).await.0, 404);
}

#[tokio::test]
async fn an_event_can_lie_about_the_amount_or_be_of_an_unknown_type() {
    let world = World::start().await;
    let id = world.session().await;
    world.tell(&format!("sessions/{id}/pay"), json!({ "tamper": { "amount_total": 1 } })).await;
    let event = world.receiver.wait_for_kind("checkout.session.completed").await;
    event.verify();
    assert_eq!(event.event()["data"]["object"]["amount_total"], 1);
    let (_, session) = world.get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(session["amount_total"], 4_498, "only the event lies");

    world.tell("events", json!({ "type": "planet.discovered", "object": { "id": "planet_9" } })).await;
    let event = world.receiver.wait_for_kind("planet.discovered").await;
    event.verify();
    assert_eq!(event.event()["data"]["object"]["id"], "planet_9");
}

#[tokio::test]
async fn events_can_be_read_back() {
    let world = World::start().await;
    let id = world.session().await;
    world.pay(&id, "paid").await;
    let delivered = world.receiver.wait_for_kind("checkout.session.completed").await;
    let (_, event) = world.get(&format!("/v1/events/{}", delivered.id())).await;
    assert_eq!(event, delivered.event());
    let (_, list) = world.get("/v1/events?type=checkout.session.completed").await;
    assert_eq!(list["data"], json!([event]));
    let (_, all) = world.get("/v1/events?limit=2").await;
    assert_eq!((all["data"].as_array().unwrap().len(), &all["has_more"]), (2, &json!(true)));
    let since = world.clock.now().timestamp() + 1;
    let (_, none) = world.get(&format!("/v1/events?created[gte]={since}")).await;
    assert_eq!(none["data"], json!([]));
}
