//! Checkouts that are repeated: the key decides first, and a provider that keeps its failure gets another attempt.

use chrono::{DateTime, TimeDelta, Utc};
use primetech_actors::clock::{Clock, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, DEMO, Shop, Visitor, until};

const CHECKOUT: &str = "/api/checkout/start";

async fn start(shop: &Shop, buyer: &Visitor, key: &str, body: &Value) -> Answer {
    let headers =
        [("content-type", "application/json"), ("cookie", buyer.cookie.as_str()), ("idempotency-key", key)];
    shop.send(0, Method::POST, DEMO, CHECKOUT, &headers, Some(body.to_string())).await
}

fn cart() -> Value {
    json!({
        "items": [{"sku": "editor", "quantity": 1}, {"sku": "icons", "quantity": 1}],
        "successUrl": "https://shop.example/thanks?a=b", "cancelUrl": "https://shop.example/cart",
    })
}

/// Lets all that a checkout looked at be otherwise, for every process.
async fn change_everything(shop: &Shop, buyer: &Visitor) {
    shop.execute(
        "UPDATE products SET active = false WHERE sku = 'icons';
         UPDATE products SET currency = 'EUR', unit_amount = 99999999 WHERE sku = 'editor';
         UPDATE tenants SET return_origins = '{}'",
    )
    .await;
    let other = json!({"items": [], "successUrl": "https://shop.example/"});
    let refused = async || {
        shop.post_as(0, buyer, CHECKOUT, &other).await.expect(400).faulty_fields() == ["items", "successUrl"]
    };
    until("the origin is no longer allowed", refused).await;
}

async fn session_of(shop: &Shop, started: &Value) -> Value {
    shop.provider_session(started).await
}

async fn status_at_provider(shop: &Shop, session_id: &str) -> String {
    let session = json!({"checkout": {"sessionId": session_id}});
    shop.provider_session(&session).await["status"].as_str().unwrap().to_owned()
}

/// As a process leaves a key that dies before its answer is kept.
async fn forget_answers(shop: &Shop) {
    shop.execute(
        "UPDATE idempotency_keys
         SET response_status = NULL, response_body = NULL, locked_until = now() - interval '1 second'",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_gets_its_answer_whatever_has_changed_since() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let first = start(&shop, &buyer, "key-1", &cart()).await.expect(201);
    change_everything(&shop, &buyer).await;
    let again = start(&shop, &buyer, "key-1", &cart()).await.expect(201);
    assert_eq!(
        (again.text.as_str(), &again.headers["idempotency-replayed"]),
        (first.text.as_str(), &"true".parse().unwrap())
    );
    // A new key is told what is wrong, and leaves nothing behind.
    let refused = start(&shop, &buyer, "key-2", &cart()).await.expect(400);
    assert_eq!(refused.faulty_fields(), ["cancelUrl", "successUrl"]);
    assert_eq!(shop.count("SELECT count(*) FROM idempotency_keys").await, 1);
    // What is wrong with the body itself is told first, and all of it at once.
    let mut wrong = cart();
    wrong["items"][0]["quantity"] = json!(0);
    let refused = start(&shop, &buyer, "key-1", &wrong).await.expect(400);
    assert_eq!(refused.faulty_fields(), ["cancelUrl", "items[0].quantity", "successUrl"]);
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_goes_on_with_its_own_order_after_a_502_whatever_has_changed_since() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.stand_in("mode", &json!({"api": "unavailable"})).await;
    start(&shop, &buyer, "key-1", &cart()).await.expect(502);
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    change_everything(&shop, &buyer).await;
    let started = start(&shop, &buyer, "key-1", &cart()).await.expect(201).json();
    assert_eq!(started["order"]["total"], 6800);
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
    let session = session_of(&shop, &started).await;
    assert_eq!(
        (&session["success_url"], &session["cancel_url"]),
        (&cart()["successUrl"], &cart()["cancelUrl"])
    );
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(6800), &json!("usd")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_of_a_booking_gets_its_answer_though_the_service_is_gone() {
    let shop = Shop::open().await;
    let book = async || {
        let body = json!({"serviceSku": "call", "name": "Jane", "email": "jane@example.com"});
        let headers = [("content-type", "application/json"), ("idempotency-key", "visit")];
        shop.send(0, Method::POST, DEMO, "/api/bookings", &headers, Some(body.to_string())).await
    };
    let first = book().await.expect(201);
    shop.execute("UPDATE products SET active = false").await;
    assert_eq!(book().await.expect(201).text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_the_provider_keeps_gets_another_attempt_that_is_noted_first() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.stand_in("mode", &json!({"api": "error500", "count": 1})).await;
    let refused = start(&shop, &buyer, "key-1", &cart()).await.expect(502);
    assert_eq!(refused.code(), "PAYMENT_PROVIDER_ERROR");
    let number = refused.json()["error"]["details"]["meta"]["orderNumber"].clone();
    // Under the first key the provider would give its failure for a day.
    let started = start(&shop, &buyer, "key-1", &cart()).await.expect(201).json();
    assert_eq!(started["order"]["number"], number);
    assert_eq!(shop.count("SELECT attempt::bigint FROM payments").await, 2);
    let earlier = "SELECT count(*) FROM payment_attempts a JOIN payments p ON p.id = a.payment_id
                   WHERE a.attempt = 1 AND a.session_id IS NULL AND a.started_at = p.created_at
                     AND p.attempt_started_at > p.created_at";
    assert_eq!(shop.count(earlier).await, 1);
    shop.stand_in(
        &format!("sessions/{}/pay", started["checkout"]["sessionId"].as_str().unwrap()),
        &json!({}),
    )
    .await;
    until("it is paid", async || shop.text("SELECT status FROM orders").await == "PAID").await;
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 1);

    // A provider that fails twice at one request keeps its failure, whether it says so or not; an attempt that it cannot be
    // asked for is noted all the same.
    shop.stand_in("mode", &json!({"api": "unavailable"})).await;
    start(&shop, &buyer, "key-2", &cart()).await.expect(502);
    let attempts = "SELECT max(attempt)::bigint FROM payments WHERE status = 'PENDING'";
    assert_eq!(shop.count(attempts).await, 2);
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    start(&shop, &buyer, "key-2", &cart()).await.expect(201);
    assert_eq!(shop.count(attempts).await, 2, "nothing was kept under the second");
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_at_any_time_of_the_keys_day_gets_23_hours_from_its_own_beginning() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for minutes in [0, 22 * 60, 22 * 60 + 50, 23 * 60 + 59] {
        shop.stand_in("mode", &json!({"api": "refuse"})).await;
        let key = format!("key-{minutes}");
        let refused = start(&shop, &buyer, &key, &cart()).await.expect(502).json();
        let number = refused["error"]["details"]["meta"]["orderNumber"].as_str().unwrap().to_owned();
        shop.stand_in("mode", &json!({"api": "ok"})).await;
        shop.execute(&format!(
            "UPDATE payments SET created_at = now() - interval '{minutes} minutes'
             WHERE order_id = (SELECT id FROM orders WHERE number = '{number}')"
        ))
        .await;
        let started = start(&shop, &buyer, &key, &cart()).await.expect(201).json();
        assert_eq!(started["order"]["number"], json!(number));
        let expires: DateTime<Utc> = started["checkout"]["expiresAt"].as_str().unwrap().parse().unwrap();
        let left = expires - SystemClock.now();
        assert!(left > TimeDelta::minutes(39), "{minutes}: {left}");
        assert!(minutes < 22 * 60 + 30 || left > TimeDelta::minutes(22 * 60 + 59), "{minutes}: {left}");
    }
}

/// A checkout whose first session was noted, and whose second is the one that its customer has.
async fn twice_started(shop: &Shop, buyer: &Visitor, key: &str) -> (Value, String, String) {
    let first = start(shop, buyer, key, &cart()).await.expect(201).json();
    forget_answers(shop).await;
    let id = first["order"]["id"].as_str().unwrap();
    shop.execute(&format!("UPDATE payments SET checkout_expires_at = now() WHERE order_id = '{id}'")).await;
    let second = start(shop, buyer, key, &cart()).await.expect(201).json();
    let session = |started: &Value| started["checkout"]["sessionId"].as_str().unwrap().to_owned();
    let (one, other) = (session(&first), session(&second));
    assert_ne!(one, other);
    assert_eq!(first["order"], second["order"]);
    (second, one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_session_of_an_order_is_paid_counts_and_the_others_are_ended() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for pays_first in [true, false] {
        let (started, first, second) = twice_started(&shop, &buyer, &format!("key-{pays_first}")).await;
        let (paid, other) = if pays_first { (first, second) } else { (second, first) };
        assert_eq!(status_at_provider(&shop, &other).await, "open");
        shop.stand_in(&format!("sessions/{paid}/pay"), &json!({})).await;
        let id = started["order"]["id"].as_str().unwrap();
        let status = format!("SELECT status FROM orders WHERE id = '{id}'");
        until("it is paid", async || shop.text(&status).await == "PAID").await;
        until("the other one is ended", async || status_at_provider(&shop, &other).await == "expired").await;
        // The end of the other one changes nothing.
        assert_eq!(shop.text(&status).await, "PAID");
    }
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 2);
    assert_eq!(shop.count("SELECT count(*) FROM webhook_events WHERE status = 'FAILED'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_that_was_given_up_does_not_end_the_order() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (started, first, second) = twice_started(&shop, &buyer, "key-1").await;
    shop.stand_in(&format!("sessions/{first}/pay"), &json!({"outcome": "expired"})).await;
    let heard = "SELECT count(*) FROM webhook_events WHERE type = 'checkout.session.expired' AND status = 'PROCESSED'";
    assert_eq!(shop.count(heard).await, 1);
    assert_eq!(shop.text("SELECT status FROM orders").await, "PENDING");
    shop.stand_in(&format!("sessions/{second}/pay"), &json!({"outcome": "expired"})).await;
    assert_eq!(shop.text("SELECT status FROM orders").await, "EXPIRED");
    drop(started);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciler_knows_every_session_of_an_order() {
    let sweeping = [("RECONCILE_AFTER_MINUTES", "1"), ("RECONCILE_EVERY_SECONDS", "1")];
    let shop = Shop::open_as(1, &sweeping).await;
    let buyer = shop.register(DEMO).await;
    shop.stand_in("mode", &json!({"webhooks": "hold"})).await;
    let age = "UPDATE payments SET created_at = created_at - interval '2 minutes', next_reconcile_at = NULL WHERE status = 'PENDING'";
    // The first of two was paid, the customer having both pages open.
    let (_, first, _) = twice_started(&shop, &buyer, "key-1").await;
    shop.stand_in(&format!("sessions/{first}/pay"), &json!({})).await;
    shop.execute(age).await;
    until("it is paid", async || shop.text("SELECT status FROM orders").await == "PAID").await;

    // The first was never noted: its answer was lost.
    let (started, first, _) = twice_started(&shop, &buyer, "key-2").await;
    let id = started["order"]["id"].as_str().unwrap();
    shop.execute(&format!(
        "UPDATE payment_attempts SET session_id = NULL; DELETE FROM payment_refs WHERE ref = '{first}'"
    ))
    .await;
    shop.stand_in(&format!("sessions/{first}/pay"), &json!({})).await;
    shop.execute(age).await;
    let status = format!("SELECT status FROM orders WHERE id = '{id}'");
    until("it is paid", async || shop.text(&status).await == "PAID").await;
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 2);
}

/// The order of `started`, its invoice and its payment: their statuses.
async fn statuses(shop: &Shop, started: &Value) -> String {
    let id = started["order"]["id"].as_str().unwrap();
    shop.text(&format!(
        "SELECT o.status || '|' || i.status || '|' || p.status FROM orders o
         JOIN invoices i ON i.order_id = o.id JOIN payments p ON p.order_id = o.id WHERE o.id = '{id}'"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_ended_while_its_answer_was_lost_waits_for_its_payment_again() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for outcome in ["expired", "async_failed"] {
        let first = start(&shop, &buyer, outcome, &cart()).await.expect(201).json();
        let numbers =
            |started: &Value| (started["order"]["number"].clone(), started["invoice"]["number"].clone());
        // As a process leaves it that dies between the provider's answer and its own.
        forget_answers(&shop).await;
        shop.execute(
            "DELETE FROM payment_refs; UPDATE payments SET provider_session_id = NULL, checkout_url = NULL,
                                              checkout_expires_at = NULL WHERE status = 'PENDING'",
        )
        .await;
        let session = first["checkout"]["sessionId"].as_str().unwrap();
        shop.stand_in(&format!("sessions/{session}/pay"), &json!({ "outcome": outcome })).await;
        until("it has ended", async || statuses(&shop, &first).await != "PENDING|OPEN|PENDING").await;

        let again = start(&shop, &buyer, outcome, &cart()).await.expect(201).json();
        assert_eq!(numbers(&again), numbers(&first), "the same order and invoice");
        assert_eq!(
            (&again["order"]["status"], &again["invoice"]["status"]),
            (&json!("PENDING"), &json!("OPEN"))
        );
        assert_ne!(again["checkout"]["sessionId"], first["checkout"]["sessionId"], "a page that can be paid");
        assert_eq!(statuses(&shop, &first).await, "PENDING|OPEN|PENDING");
        let reopened = "SELECT count(*) FROM audit_log WHERE action = 'order.status_changed'
                        AND after->>'status' = 'PENDING'";
        assert!(shop.count(reopened).await > 0);
        shop.deliver(0, &shop.paid_event(&again, &format!("pi_{outcome}"))).await.expect(200);
        assert_eq!(statuses(&shop, &first).await, "PAID|PAID|PAID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_end_of_an_earlier_session_does_not_end_an_attempt_without_a_session() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let first = start(&shop, &buyer, "key", &cart()).await.expect(201).json();
    forget_answers(&shop).await;
    shop.execute("UPDATE payments SET checkout_expires_at = now() - interval '1 minute'").await;
    shop.stand_in("mode", &json!({"api": "unavailable"})).await;
    start(&shop, &buyer, "key", &cart()).await.expect(502);
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    let session = first["checkout"]["sessionId"].as_str().unwrap();
    shop.stand_in(&format!("sessions/{session}/pay"), &json!({"outcome": "expired"})).await;
    let heard = "SELECT count(*) FROM webhook_events WHERE type = 'checkout.session.expired' AND status = 'PROCESSED'";
    until("its end is heard", async || shop.count(heard).await == 1).await;
    assert_eq!(statuses(&shop, &first).await, "PENDING|OPEN|PENDING");
    let again = start(&shop, &buyer, "key", &cart()).await.expect(201).json();
    assert_eq!(again["order"]["status"], "PENDING");
    shop.deliver(0, &shop.paid_event(&again, "pi_again")).await.expect(200);
    assert_eq!(statuses(&shop, &first).await, "PAID|PAID|PAID");
}
