//! Paying in each way, refunds and disputes: the objects afterwards, and the events.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::world::World;

fn kinds(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn paid(world: &World) -> (String, String) {
    let session = world.session().await;
    let answer = world.pay(&session, "paid").await;
    let intent = answer["session"]["payment_intent"].as_str().unwrap().to_owned();
    let (_, object) = world.get(&format!("/v1/payment_intents/{intent}")).await;
    (intent, object["latest_charge"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_card_pays_at_once_and_only_once() {
    let world = World::start().await;
    let id = world.session().await;
    let answer = world.pay(&id, "paid").await;
    assert_eq!(
        kinds(&answer),
        ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]
    );
    for delivery in answer["deliveries"].as_array().unwrap() {
        assert_eq!(delivery["status"], 200, "{delivery}");
    }
    let event = world.receiver.wait_for_kind("checkout.session.completed").await.event();
    let session = &event["data"]["object"];
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(4_498), &json!("usd")));
    assert_eq!(session["customer_details"]["email"], "ada@example.com");
    assert!(session["payment_intent"].as_str().unwrap().starts_with("pi_"));
    assert_eq!(world.control(&format!("sessions/{id}/pay"), json!({})).await.0, 409);
    assert_eq!(world.control("sessions/cs_nobody/pay", json!({})).await.0, 404);
    assert_eq!(world.receiver.received().len(), 3);
}

#[tokio::test]
async fn what_costs_nothing_needs_no_payment() {
    let world = World::start().await;
    let id = world.provider().create_checkout_session(&world.order_in("EUR", &[(0, 3)])).await.unwrap().id;
    let answer = world.pay(&id, "paid").await;
    assert_eq!(kinds(&answer), ["checkout.session.completed"]);
    assert_eq!(answer["session"]["payment_status"], "no_payment_required");
    assert_eq!(answer["session"]["payment_intent"], Value::Null);
}

#[tokio::test]
async fn a_bank_pays_later() {
    let world = World::start().await;
    let id = world.session().await;
    let pending = world.pay(&id, "async_pending").await;
    assert_eq!(
        kinds(&pending),
        ["charge.pending", "payment_intent.processing", "checkout.session.completed"]
    );
    let session = &pending["session"];
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("complete"), &json!("unpaid")));
    let succeeded = world.pay(&id, "async_succeeded").await;
    assert_eq!(succeeded["session"]["payment_status"], "paid");
    assert_eq!(succeeded["session"]["payment_intent"], session["payment_intent"]);
    assert_eq!(
        kinds(&succeeded),
        ["charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"]
    );
    assert_eq!(
        world.control(&format!("sessions/{id}/pay"), json!({ "outcome": "async_failed" })).await.0,
        409
    );
}

#[tokio::test]
async fn a_bank_refuses_later() {
    let world = World::start().await;
    let id = world.session().await;
    let answer = world.pay(&id, "async_failed").await;
    assert_eq!(kinds(&answer)[2], "checkout.session.completed");
    assert_eq!(kinds(&answer)[5], "checkout.session.async_payment_failed");
    assert_eq!(answer["session"]["payment_status"], "unpaid");
    let intent = answer["session"]["payment_intent"].as_str().unwrap();
    let (_, intent) = world.get(&format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(
        (&intent["status"], &intent["amount_received"]),
        (&json!("requires_payment_method"), &json!(0))
    );
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open() {
    let world = World::start().await;
    let id = world.session().await;
    let answer = world.pay(&id, "declined").await;
    assert_eq!(kinds(&answer), ["charge.failed", "payment_intent.payment_failed"]);
    assert_eq!(answer["session"]["status"], "open");
    assert_eq!(world.pay(&id, "paid").await["session"]["payment_status"], "paid");
}

#[tokio::test]
async fn an_open_session_expires_by_itself_and_a_paid_one_does_not() {
    let world = World::start().await;
    let open = world.session().await;
    let another =
        primetech_stripe::NewCheckoutSession { idempotency_key: "another".to_owned(), ..world.order() };
    let paid = world.provider().create_checkout_session(&another).await.unwrap().id;
    world.pay(&paid, "paid").await;
    world.clock.advance(TimeDelta::hours(2));
    let event = world.receiver.wait_for_kind("checkout.session.expired").await.event();
    assert_eq!(
        (&event["data"]["object"]["id"], &event["data"]["object"]["status"]),
        (&json!(open), &json!("expired"))
    );
    assert_eq!(world.control(&format!("sessions/{open}/pay"), json!({})).await.0, 409);
    let (_, session) = world.get(&format!("/v1/checkout/sessions/{paid}")).await;
    assert_eq!(session["status"], "complete");

    // The payment that was on its way when the session expired.
    let late = world.tell(&format!("sessions/{open}/pay"), json!({ "evenIfExpired": true })).await;
    assert_eq!(late["session"]["payment_status"], "paid");
    assert_eq!(world.receiver.kinds().iter().filter(|kind| *kind == "checkout.session.expired").count(), 1);
}

#[tokio::test]
async fn refunds_add_up_to_the_whole() {
    let world = World::start().await;
    let (intent, charge) = paid(&world).await;
    let answer = world.tell(&format!("charges/{charge}/refund"), json!({ "amount": 1_000 })).await;
    assert_eq!(kinds(&answer), ["charge.refunded", "refund.created"]);
    let event = world.receiver.wait_for_kind("charge.refunded").await.event();
    let object = &event["data"]["object"];
    assert_eq!((&object["refunded"], &object["amount_refunded"]), (&json!(false), &json!(1_000)));
    assert_eq!(object["payment_intent"], intent);

    let too_much = world.post("/v1/refunds", &format!("payment_intent={intent}&amount=3499"), None).await;
    assert_eq!((too_much.status, too_much.error().0), (400, json!("amount")));
    let rest = world
        .post("/v1/refunds", &format!("payment_intent={intent}&reason=duplicate"), Some("refund-1"))
        .await;
    assert_eq!((rest.status, &rest.json()["amount"]), (200, &json!(3_498)));
    let (_, refund) = world.get(&format!("/v1/refunds/{}", rest.json()["id"].as_str().unwrap())).await;
    assert_eq!(refund["reason"], "duplicate");
    let (_, object) = world.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!((&object["refunded"], &object["amount_refunded"]), (&json!(true), &json!(4_498)));

    let again = world.post("/v1/refunds", &format!("charge={charge}"), None).await;
    assert_eq!(again.error().1, "charge_already_refunded");
    assert!(
        world
            .post("/v1/refunds", &format!("payment_intent={intent}&reason=duplicate"), Some("refund-1"))
            .await
            .replayed()
    );
    let all = world.receiver.wait_until("both refunds", |all| all.len() == 7).await;
    assert_eq!(all.iter().filter(|one| one.kind() == "charge.refunded").count(), 2);
}

#[tokio::test]
async fn hasty_refunds_never_exceed_the_payment() {
    let world = World::start().await;
    let (intent, charge) = paid(&world).await;
    let body = format!("payment_intent={intent}&amount=1000");
    let all = futures_util::future::join_all((0..20).map(|_| world.post("/v1/refunds", &body, None))).await;
    assert_eq!(all.iter().filter(|response| response.status == 200).count(), 4);
    let (_, object) = world.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!(object["amount_refunded"], 4_000);
}

#[tokio::test]
async fn an_unpaid_debit_cannot_be_refunded_or_disputed() {
    let world = World::start().await;
    let id = world.session().await;
    let intent =
        world.pay(&id, "async_pending").await["session"]["payment_intent"].as_str().unwrap().to_owned();
    let refund = world.post("/v1/refunds", &format!("payment_intent={intent}"), None).await;
    assert_eq!(refund.error().1, "payment_intent_unexpected_state");
    let dispute =
        world.control(&format!("payment_intents/{intent}/dispute"), json!({ "action": "create" })).await;
    assert_eq!(dispute.0, 409);
    for body in ["", "charge=ch_1&payment_intent=pi_1", "payment_intent=pi_nobody"] {
        assert!(world.post("/v1/refunds", body, None).await.status >= 400, "{body}");
    }
}

#[tokio::test]
async fn a_dispute_opens_once_and_closes_once() {
    for (action, status) in [("won", "won"), ("lost", "lost")] {
        let world = World::start().await;
        let (intent, charge) = paid(&world).await;
        let path = format!("payment_intents/{intent}/dispute");
        assert_eq!(world.control(&path, json!({ "action": action })).await.0, 409, "nothing to close");
        assert_eq!(
            kinds(&world.tell(&path, json!({ "action": "create" })).await),
            ["charge.dispute.created"]
        );
        assert_eq!(world.control(&path, json!({ "action": "create" })).await.0, 409);
        let created = world.receiver.wait_for_kind("charge.dispute.created").await.event();
        let object = &created["data"]["object"];
        assert_eq!((&object["object"], &object["status"]), (&json!("dispute"), &json!("needs_response")));
        assert_eq!((&object["payment_intent"], &object["charge"]), (&json!(intent), &json!(charge)));
        let refund = world.post("/v1/refunds", &format!("charge={charge}"), None).await;
        assert_eq!(refund.error().1, "charge_disputed");

        world.tell(&path, json!({ "action": action })).await;
        let closed = world.receiver.wait_for_kind("charge.dispute.closed").await.event();
        assert_eq!(closed["data"]["object"]["status"], status);
        assert_eq!(closed["data"]["object"]["id"], object["id"]);
        assert_eq!(world.control(&path, json!({ "action": action })).await.0, 409);
    }
}
