//! Provider events: twice, at the same time, in any order; the effect is that of once, in order.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{DEMO, Shop, Visitor, event};

async fn state(shop: &Shop, buyer: &Visitor, started: &Value) -> (String, String, Vec<String>) {
    let number = started["order"]["number"].as_str().unwrap();
    let order = shop.get_as(buyer, &format!("/api/orders/{number}")).await.expect(200).json();
    let invoice = started["invoice"]["number"].as_str().unwrap();
    let invoice = shop.get_as(buyer, &format!("/api/invoices/{invoice}")).await.expect(200).json();
    let licences = shop.get_as(buyer, "/api/licences").await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let licences =
        licences["items"].as_array().unwrap().iter().map(|licence| text(&licence["status"])).collect();
    (text(&order["order"]["status"]), text(&invoice["invoice"]["status"]), licences)
}

async fn started(shop: &Shop) -> (Visitor, Value) {
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    (buyer, started)
}

fn intent(started: &Value) -> String {
    format!("pi_{}", started["order"]["id"].as_str().unwrap())
}

fn refund(started: &Value, in_full: bool, amount: i64) -> Value {
    let object = json!({"id": "ch_1", "payment_intent": intent(started), "refunded": in_full, "amount_refunded": amount});
    event("charge.refunded", object)
}

fn dispute(started: &Value, kind: &str, status: &str) -> Value {
    event(kind, json!({"id": "dp_1", "payment_intent": intent(started), "status": status}))
}

async fn status_of(shop: &Shop, event: &Value) -> String {
    let id = event["id"].as_str().unwrap();
    shop.text(&format!("SELECT status FROM webhook_events WHERE provider_event_id = '{id}'")).await
}

fn is(state: &(String, String, Vec<String>), order: &str, invoice: &str, licences: &[&str]) -> bool {
    state.0 == order && state.1 == invoice && state.2 == licences
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_deliveries_of_one_event_at_once_make_one_receipt_and_one_licence() {
    let shop = Shop::open_with(2).await;
    let (buyer, started) = started(&shop).await;
    let paid = shop.paid_event(&started, "pi");
    for answer in join_all((0..50).map(|at| shop.deliver(at, &paid))).await {
        assert_eq!(answer.expect(200).json(), json!({"received": true}));
    }
    assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["ACTIVE"]));
    for table in ["receipts", "licences", "entitlements", "webhook_events"] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
    }
    // The same payment told by another event changes nothing either.
    let other = shop.session_event(&started, "checkout.session.async_payment_succeeded", "paid", "pi");
    shop.deliver(0, &other).await.expect(200);
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 1);
    assert_eq!(status_of(&shop, &other).await, "PROCESSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_payments_at_once_on_two_instances_have_no_gap() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let mut events = Vec::new();
    for _ in 0..60 {
        let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
        events.push(shop.paid_event(&started, "pi"));
    }
    for answer in join_all(events.iter().enumerate().map(|(at, event)| shop.deliver(at, event))).await {
        answer.expect(200);
    }
    let numbers: Vec<i32> = sqlx::query_scalar("SELECT right(number, 6)::integer FROM receipts ORDER BY 1")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_before_its_payment_waits_and_takes_effect_with_it() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    let early = refund(&started, true, 4900);
    shop.deliver(0, &early).await.expect(200);
    assert_eq!(status_of(&shop, &early).await, "IGNORED", "it bears no mark of ours");
    assert!(is(&state(&shop, &buyer, &started).await, "PENDING", "OPEN", &[]));
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    assert_eq!(status_of(&shop, &early).await, "PROCESSED");
    assert!(is(&state(&shop, &buyer, &started).await, "REFUNDED", "REFUNDED", &["REVOKED"]));
    assert_eq!(shop.count("SELECT count(*) FROM entitlements WHERE revoked_at IS NULL").await, 0);
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_payments_that_race_never_miss_each_other() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    for _ in 0..25 {
        let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
        let (paid, refunded) = (shop.paid_event(&started, "pi"), refund(&started, true, 4900));
        let (one, other) = tokio::join!(shop.deliver(0, &paid), shop.deliver(1, &refunded));
        one.expect(200);
        other.expect(200);
    }
    assert_eq!(shop.count("SELECT count(*) FROM orders WHERE status = 'REFUNDED'").await, 25);
    assert_eq!(shop.count("SELECT count(*) FROM webhook_events WHERE status <> 'PROCESSED'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_refund_is_recorded_on_the_payment_only() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    shop.deliver(0, &refund(&started, false, 900)).await.expect(200);
    shop.deliver(0, &refund(&started, false, 400)).await.expect(200);
    assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["ACTIVE"]));
    assert_eq!(
        shop.count("SELECT amount_refunded FROM payments").await,
        900,
        "an older sum does not lower it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn disputes_suspend_and_their_end_restores_or_revokes() {
    let shop = Shop::open().await;
    for (closed, licence) in [("won", "ACTIVE"), ("lost", "REVOKED")] {
        let (buyer, started) = started(&shop).await;
        shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
        shop.deliver(0, &dispute(&started, "charge.dispute.created", "needs_response")).await.expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["SUSPENDED"]));
        shop.deliver(0, &dispute(&started, "charge.dispute.closed", closed)).await.expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &[licence]));
        // Its beginning told once more, late, does not begin it again.
        shop.deliver(0, &dispute(&started, "charge.dispute.created", "needs_response")).await.expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &[licence]));
    }
    let (buyer, started) = started(&shop).await;
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    shop.deliver(0, &refund(&started, true, 4900)).await.expect(200);
    shop.deliver(0, &dispute(&started, "charge.dispute.closed", "won")).await.expect(200);
    assert!(is(&state(&shop, &buyer, &started).await, "REFUNDED", "REFUNDED", &["REVOKED"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn unpaid_expired_and_failed_sessions_and_a_late_payment() {
    let shop = Shop::open().await;
    for (kind, status) in
        [("checkout.session.expired", "EXPIRED"), ("checkout.session.async_payment_failed", "FAILED")]
    {
        let (buyer, started) = started(&shop).await;
        shop.deliver(0, &shop.session_event(&started, "checkout.session.completed", "unpaid", "pi"))
            .await
            .expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, "PENDING", "OPEN", &[]));
        shop.deliver(0, &shop.session_event(&started, kind, "unpaid", "pi")).await.expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, status, "VOID", &[]));
        shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["ACTIVE"]), "money was taken");
        shop.deliver(0, &shop.session_event(&started, kind, "unpaid", "pi")).await.expect(200);
        assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["ACTIVE"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_being_paid_is_paid() {
    let shop = Shop::open().await;
    for (kind, payment_status) in [
        ("checkout.session.completed", "paid"),
        ("checkout.session.completed", "no_payment_required"),
        ("checkout.session.async_payment_succeeded", "paid"),
    ] {
        let (buyer, started) = started(&shop).await;
        shop.deliver(0, &shop.session_event(&started, kind, payment_status, "pi")).await.expect(200);
        assert!(
            is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["ACTIVE"]),
            "{kind} {payment_status}"
        );
    }
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 3);
}

/// All orders of so many things.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    match count {
        0 => vec![vec![]],
        _ => {
            let shorter = permutations(count - 1);
            let longer = |order: &Vec<usize>, at: usize| [&order[..at], &[count - 1], &order[at..]].concat();
            shorter.iter().flat_map(|order| (0..count).map(move |at| longer(order, at))).collect()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_order_events_come_and_however_often_the_effect_is_that_of_once_in_order() {
    let shop = Shop::open_with(2).await;
    let created = |started: &Value| dispute(started, "charge.dispute.created", "needs_response");
    let closed =
        |status: &'static str| move |started: &Value| dispute(started, "charge.dispute.closed", status);
    let paid = |started: &Value| shop.paid_event(started, "pi");
    let expired = |started: &Value| shop.session_event(started, "checkout.session.expired", "unpaid", "pi");
    let refunded = |started: &Value| refund(started, true, 4900);
    let partly = |started: &Value| refund(started, false, 900);
    let (won, lost) = (closed("won"), closed("lost"));
    // What happened, in its order; what the order and the licence are in the end.
    type Making<'a> = &'a dyn Fn(&Value) -> Value;
    let histories: [(&[Making<'_>], &str, &str); 6] = [
        (&[&expired, &paid], "PAID", "ACTIVE"),
        (&[&paid, &partly], "PAID", "ACTIVE"),
        (&[&paid, &partly, &refunded], "REFUNDED", "REVOKED"),
        (&[&paid, &created, &won], "PAID", "ACTIVE"),
        (&[&paid, &created, &lost], "PAID", "REVOKED"),
        (&[&paid, &created, &won, &refunded], "REFUNDED", "REVOKED"),
    ];
    let mut orders = 0;
    for (history, status, licence) in histories {
        for order in permutations(history.len()) {
            let (buyer, started) = started(&shop).await;
            let events: Vec<Value> = history.iter().map(|make| make(&started)).collect();
            for at in &order {
                let (one, other) = (shop.deliver(0, &events[*at]), shop.deliver(1, &events[*at]));
                let (one, other) = tokio::join!(one, other);
                one.expect(200);
                other.expect(200);
            }
            let state = state(&shop, &buyer, &started).await;
            assert!(is(&state, status, status, &[licence]), "{order:?} of {status} {licence}: {state:?}");
            for event in &events {
                assert_eq!(status_of(&shop, event).await, "PROCESSED", "{order:?}: {event}");
            }
            orders += 1;
        }
    }
    assert_eq!(orders, 2 + 2 + 6 + 6 + 6 + 24);
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, orders);
    assert_eq!(shop.count("SELECT count(*) FROM licences").await, orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_before_its_payment_waits_and_takes_effect_with_it() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    let early = dispute(&started, "charge.dispute.created", "needs_response");
    shop.deliver(0, &early).await.expect(200);
    assert_eq!(status_of(&shop, &early).await, "IGNORED", "it bears no mark of ours");
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    assert_eq!(status_of(&shop, &early).await, "PROCESSED");
    assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["SUSPENDED"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_can_never_succeed_is_failed_and_answered_200() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    let broken = [
        ("amount_total", json!(1)),
        ("currency", json!("eur")),
        ("amount_total", json!(null)),
        ("payment_status", json!(null)),
        ("id", json!("a\u{0}b")),
    ];
    for (field, value) in broken {
        let mut event = shop.paid_event(&started, "pi");
        event["data"]["object"][field] = value;
        shop.deliver(0, &event).await.expect(200);
        assert_eq!(status_of(&shop, &event).await, "FAILED", "{field}");
        shop.deliver(0, &event).await.expect(200);
    }
    assert!(is(&state(&shop, &buyer, &started).await, "PENDING", "OPEN", &[]));
    assert_eq!(shop.count("SELECT count(*) FROM webhook_events WHERE last_error IS NULL").await, 0);
    let unknown = event("customer.created", json!({"id": "cus_1"}));
    shop.deliver(0, &unknown).await.expect(200);
    assert_eq!(status_of(&shop, &unknown).await, "IGNORED");
    shop.deliver_text(0, "signed, but no event \u{0}".to_owned(), "whsec_harness").await.expect(200);
    for id in ["evt_\u{0}", "evt_\u{1b}[31m\nFAKE LOG LINE", "", "évt"] {
        let mut event = shop.paid_event(&started, "pi");
        event["id"] = json!(id);
        shop.deliver(0, &event).await.expect(200);
    }
    assert_eq!(
        shop.count("SELECT count(*) FROM webhook_events WHERE type = 'unreadable' AND status = 'FAILED'")
            .await,
        5
    );
    let mut odd = shop.paid_event(&started, "pi");
    odd["type"] = json!("checkout.session.completed\u{0}");
    shop.deliver(0, &odd).await.expect(200);
    assert_eq!(status_of(&shop, &odd).await, "IGNORED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_never_attached_is_found_by_what_we_told_the_provider() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    shop.execute("UPDATE payments SET provider_session_id = NULL; DELETE FROM payment_refs").await;
    let mut event = shop.paid_event(&started, "pi");
    let tenant = shop.text("SELECT tenant_id::text FROM orders").await;
    event["data"]["object"]["metadata"] = json!({"tenantId": tenant, "orderId": started["order"]["id"]});
    shop.deliver(0, &event).await.expect(200);
    assert!(is(&state(&shop, &buyer, &started).await, "PAID", "PAID", &["ACTIVE"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_demanded_and_either_secret_will_do() {
    let shop = Shop::open().await;
    let payload = event("customer.created", json!({})).to_string();
    shop.deliver_text(0, payload.clone(), "whsec_old").await.expect(200);
    let wrong = shop.deliver_text(0, payload.clone(), "whsec_wrong").await.expect(400);
    assert_eq!(wrong.code(), "INVALID_SIGNATURE");
    let unsigned = shop
        .send(0, reqwest::Method::POST, "x", "/api/webhooks/stripe", &[], Some(payload))
        .await
        .expect(400);
    assert_eq!(unsigned.code(), "INVALID_SIGNATURE");
    let payload = event("customer.created", json!({})).to_string();
    for (ago, status) in [(290, 200), (-290, 200), (310, 400), (-310, 400)] {
        let answer = shop.deliver_signed(0, payload.clone(), "whsec_harness", ago).await.expect(status);
        assert!(status == 200 || answer.code() == "INVALID_SIGNATURE", "{ago}");
    }
    let large = "x".repeat(1024 * 1024 + 1);
    assert_eq!(shop.deliver_text(0, large, "whsec_old").await.expect(413).code(), "PAYLOAD_TOO_LARGE");
    assert_eq!(shop.count("SELECT count(*) FROM webhook_events").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_units_of_many_items_each_have_their_licence() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop
        .check_out(&buyer, json!([{"sku": "editor", "quantity": 999}, {"sku": "icons", "quantity": 3}]))
        .await;
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    assert_eq!(shop.count("SELECT count(DISTINCT key) FROM licences").await, 999);
    assert_eq!(shop.count("SELECT count(*) FROM entitlements").await, 2);
}
