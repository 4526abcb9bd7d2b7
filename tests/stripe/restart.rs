//! What is kept over a restart, an orderly one and one in the middle of a write.

use std::io::Write;

use primetech::dev::stripe::StripeStandIn;
use primetech_stripe::{PaymentStatus, ProviderTimeouts};
use serde_json::json;
use tempfile::TempDir;

use crate::api::form;
use crate::receiver::Receiver;
use crate::world::{SECRET_KEY, TestClock, World, config, http, provider_at};

async fn restarted(world: World) -> World {
    let World { stand_in, receiver, http, clock, directory } = world;
    stand_in.stop().await.unwrap();
    let stand_in =
        StripeStandIn::start(config(&directory, &clock, Some(receiver.url.clone()))).await.unwrap();
    World { stand_in, receiver, http, clock, directory }
}

#[tokio::test]
async fn nothing_is_forgotten() {
    let world = World::start().await;
    let id = world.session().await;
    let intent = world.pay(&id, "paid").await["session"]["payment_intent"].as_str().unwrap().to_owned();
    let refund = world.tell(&format!("payment_intents/{intent}/refund"), json!({ "amount": 100 })).await;
    let paths = [
        format!("/v1/checkout/sessions?payment_intent={intent}"),
        format!("/v1/payment_intents/{intent}"),
        format!("/v1/refunds/{}", refund["refund"]["id"].as_str().unwrap()),
        "/v1/events?limit=100".to_owned(),
    ];
    let mut before = Vec::new();
    for path in &paths {
        before.push(world.get(path).await);
    }
    world.tell("mode", json!({ "api": "error500", "count": 1 })).await;
    let failed = world.post("/v1/checkout/sessions", &form(&[]), Some("failed")).await;
    assert_eq!(failed.status, 500);
    let received = world.receiver.received().len();

    let world = restarted(restarted(world).await).await;
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(world.get(path).await, before, "{path}");
    }
    assert_eq!(world.session().await, id, "the key is still known");
    let again = world.post("/v1/checkout/sessions", &form(&[]), Some("failed")).await;
    assert_eq!((again.status, again.text.as_str(), again.replayed()), (500, failed.text.as_str(), true));
    let details = world.provider().get_checkout_session(&id).await.unwrap();
    assert_eq!(details.payment_status, PaymentStatus::Paid);
    assert_eq!(world.receiver.received().len(), received, "what was accepted is not sent again");
}

#[tokio::test]
async fn an_undelivered_event_is_taken_up_again() {
    let world = World::start().await;
    world.receiver.answer_with(|_| 503);
    let id = world.session().await;
    world.pay(&id, "paid").await;
    let World { stand_in, clock, directory, .. } = world;
    stand_in.stop().await.unwrap();
    let receiver = Receiver::start().await;
    let stand_in =
        StripeStandIn::start(config(&directory, &clock, Some(receiver.url.clone()))).await.unwrap();
    receiver.wait_until("all three events", |all| all.len() == 3).await;
    stand_in.stop().await.unwrap();
}

#[tokio::test]
async fn a_torn_last_line_costs_only_itself() {
    let world = World::start().await;
    let id = world.session().await;
    let World { stand_in, clock, directory, .. } = world;
    stand_in.stop().await.unwrap();
    let journal = directory.path().join("stripe-stand-in.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"{\"record\":\"session\",\"row\":{\"id\":\"cs_te").unwrap();
    drop(file);
    for _ in 0..2 {
        let stand_in = StripeStandIn::start(config(&directory, &clock, None)).await.unwrap();
        let provider = provider_at(stand_in.base_url(), SECRET_KEY, ProviderTimeouts::default());
        provider.get_checkout_session(&id).await.unwrap();
        stand_in.stop().await.unwrap();
    }
}

/// A crash leaves what was written by then: changes reach the file without a stop.
#[tokio::test]
async fn changes_are_written_without_a_stop() {
    let world = World::start().await;
    let id = world.session().await;
    let journal = world.directory.path().join("stripe-stand-in.jsonl");
    let written = async {
        while !std::fs::read_to_string(&journal).unwrap().contains(&id) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), written).await.unwrap();
}

#[actix_web::test]
async fn it_starts_and_stops_inside_an_actix_system() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    let stand_in = StripeStandIn::start(config(&directory, &clock, None)).await.unwrap();
    let url = format!("{}/v1/events", stand_in.base_url());
    assert_eq!(http().get(&url).bearer_auth(SECRET_KEY).send().await.unwrap().status(), 200);
    let port = url::Url::parse(&url).unwrap().port().unwrap();
    let taken = primetech::dev::stripe::StandInConfig { port, ..config(&directory, &clock, None) };
    assert!(StripeStandIn::start(taken).await.is_err(), "a taken port is an error");
    stand_in.stop().await.unwrap();
    assert!(http().get(&url).send().await.is_err(), "nobody listens after the stop");
}

#[tokio::test]
async fn the_endpoint_can_be_named_later_and_must_be_plain_http() {
    let (directory, clock) = (TempDir::new().unwrap(), TestClock::new());
    for wrong in ["https://example.com/hook", "nonsense", ""] {
        assert!(
            StripeStandIn::start(config(&directory, &clock, Some(wrong.to_owned()))).await.is_err(),
            "{wrong}"
        );
    }
    let stand_in = StripeStandIn::start(config(&directory, &clock, None)).await.unwrap();
    let receiver = Receiver::start().await;
    let world = World { stand_in, receiver, http: http(), clock, directory };
    let id = world.session().await;
    let unheard = world.pay(&id, "declined").await;
    assert_eq!(unheard["deliveries"][0]["error"], "no webhook endpoint is set");
    world.stand_in.set_webhook_endpoint(&world.receiver.url).unwrap();
    world.pay(&id, "paid").await;
    assert_eq!(world.receiver.received().len(), 3);
}
