//! Webhooks that never come: the provider is asked, and the outcome is that of its event, exactly once.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{DEMO, Shop, Visitor, until};

/// Sweeps every second, about payments of a minute or more.
const SWEEPING: &[(&str, &str)] = &[("RECONCILE_AFTER_MINUTES", "1"), ("RECONCILE_EVERY_SECONDS", "1")];

/// A shop whose provider sends no events.
async fn shop_without_webhooks(instances: usize) -> Shop {
    let shop = Shop::open_as(instances, SWEEPING).await;
    shop.stand_in("mode", &json!({"webhooks": "hold"})).await;
    shop
}

async fn started(shop: &Shop, buyer: &Visitor) -> Value {
    shop.check_out(buyer, json!([{"sku": "editor", "quantity": 2}])).await
}

fn session(started: &Value) -> &str {
    started["checkout"]["sessionId"].as_str().unwrap()
}

async fn happens(shop: &Shop, started: &Value, outcome: &str) {
    shop.stand_in(&format!("sessions/{}/pay", session(started)), &json!({"outcome": outcome})).await;
}

/// Lets all payments be old enough to be asked about, now.
async fn age(shop: &Shop) {
    shop.execute(
        "UPDATE payments SET created_at = created_at - interval '2 minutes', next_reconcile_at = NULL WHERE status = 'PENDING'",
    )
    .await;
}

async fn status(shop: &Shop, started: &Value) -> String {
    let id = started["order"]["id"].as_str().unwrap();
    shop.text(&format!(
        "SELECT o.status || ' ' || i.status || ' ' || p.status FROM orders o
         JOIN invoices i ON i.order_id = o.id JOIN payments p ON p.order_id = o.id WHERE o.id = '{id}'"
    ))
    .await
}

async fn becomes(shop: &Shop, started: &Value, wanted: &str) {
    until(wanted, async || status(shop, started).await == wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_whose_webhooks_are_lost_are_paid_exactly_once_by_two_processes() {
    let shop = shop_without_webhooks(2).await;
    let buyer = shop.register(DEMO).await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        let started = started(&shop, &buyer).await;
        happens(&shop, &started, "paid").await;
        orders.push(started);
    }
    assert_eq!(shop.count("SELECT count(*) FROM orders WHERE status = 'PAID'").await, 0);
    age(&shop).await;
    for started in &orders {
        becomes(&shop, started, "PAID PAID PAID").await;
    }
    for (table, count) in [("receipts", 12), ("entitlements", 12), ("licences", 24), ("webhook_events", 12)] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, count, "{table}");
    }
    assert_eq!(shop.count("SELECT max(right(number, 6)::bigint) FROM receipts").await, 12, "no gap");
    // The provider's time of the payment, which is in whole seconds, not that of the question.
    let times = "SELECT count(*) FROM receipts WHERE paid_at = date_trunc('second', paid_at) AND created_at > paid_at";
    assert_eq!(shop.count(times).await, 12);
    let mailed = async || shop.mails().iter().filter(|mail| mail.contains("RCP-")).count() == 12;
    until("each buyer is told once", mailed).await;

    // The real events come after all, twice.
    shop.stand_in("release", &json!({"times": 2, "shuffle": true, "concurrent": true})).await;
    assert_eq!(
        shop.count(
            "SELECT count(*) FROM webhook_events WHERE status <> 'PROCESSED' AND type LIKE 'checkout%'"
        )
        .await,
        0
    );
    for (table, count) in [("receipts", 12), ("entitlements", 12), ("licences", 24)] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, count, "{table}");
    }
    assert!(shop.count("SELECT count(*) FROM webhook_events").await > 12, "the late events were heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_and_questions_that_race_make_one_receipt() {
    let shop = shop_without_webhooks(2).await;
    let buyer = shop.register(DEMO).await;
    let mut orders = Vec::new();
    for _ in 0..15 {
        let started = started(&shop, &buyer).await;
        happens(&shop, &started, "paid").await;
        orders.push(started);
    }
    age(&shop).await;
    shop.stand_in("release", &json!({"times": 2, "delayMs": 200, "concurrent": true})).await;
    for started in &orders {
        becomes(&shop, started, "PAID PAID PAID").await;
    }
    for (table, count) in [("receipts", 15), ("licences", 30)] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, count, "{table}");
    }
    assert_eq!(shop.count("SELECT count(*) FROM webhook_events WHERE status = 'FAILED'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_expired_or_whose_money_never_came_end_their_orders() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let (expired, failed, awaiting, open) = (
        started(&shop, &buyer).await,
        started(&shop, &buyer).await,
        started(&shop, &buyer).await,
        started(&shop, &buyer).await,
    );
    happens(&shop, &expired, "expired").await;
    happens(&shop, &failed, "async_failed").await;
    happens(&shop, &awaiting, "async_pending").await;
    age(&shop).await;
    becomes(&shop, &expired, "EXPIRED VOID EXPIRED").await;
    becomes(&shop, &failed, "FAILED VOID FAILED").await;
    let asked = "SELECT count(*) FROM payments WHERE status = 'PENDING' AND next_reconcile_at > now() AND reconcile_leased_until IS NULL";
    until("the others are asked about again later", async || shop.count(asked).await == 2).await;
    assert_eq!(status(&shop, &awaiting).await, "PENDING OPEN PENDING");
    assert_eq!(status(&shop, &open).await, "PENDING OPEN PENDING");

    happens(&shop, &awaiting, "async_succeeded").await;
    age(&shop).await;
    becomes(&shop, &awaiting, "PAID PAID PAID").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_is_asked_seldom_and_nothing_is_lost() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let mut orders = Vec::new();
    for _ in 0..6 {
        let started = started(&shop, &buyer).await;
        happens(&shop, &started, "paid").await;
        orders.push(started);
    }
    shop.stand_in("mode", &json!({"api": "error500"})).await;
    age(&shop).await;
    let given_back =
        "SELECT count(*) FROM payments WHERE next_reconcile_at > now() AND reconcile_leased_until IS NULL";
    until("all are put off", async || shop.count(given_back).await == 6).await;
    assert_eq!(shop.count("SELECT count(*) FROM orders WHERE status = 'PENDING'").await, 6);
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    age(&shop).await;
    for started in &orders {
        becomes(&shop, started, "PAID PAID PAID").await;
    }
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_a_session_gets_its_lost_one_or_ends_once_none_can_be_paid() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    // The session was made, and the process died before it was noted.
    let lost = started(&shop, &buyer).await;
    let paid = started(&shop, &buyer).await;
    happens(&shop, &paid, "paid").await;
    shop.execute(
        "DELETE FROM payment_refs;
         UPDATE payments SET provider_session_id = NULL, checkout_url = NULL, checkout_expires_at = NULL",
    )
    .await;
    // The provider was away: there never was one.
    shop.stand_in("mode", &json!({"api": "error500"})).await;
    let body = json!({"items": [{"sku": "editor", "quantity": 1}]});
    let refused = shop.post_as(0, &buyer, "/api/checkout/start", &body).await.expect(502).json();
    let number = refused["error"]["details"]["meta"]["orderNumber"].as_str().unwrap().to_owned();
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    age(&shop).await;
    becomes(&shop, &paid, "PAID PAID PAID").await;
    let noted = format!(
        "SELECT count(*) FROM payments p JOIN payment_refs r ON r.ref = p.provider_session_id WHERE r.ref = '{}' AND p.status = 'PENDING'",
        session(&lost)
    );
    until("the lost session is noted", async || shop.count(&noted).await == 1).await;
    let put_off = format!(
        "SELECT count(*) FROM payments p JOIN orders o ON o.id = p.order_id
         WHERE o.number = '{number}' AND next_reconcile_at > now() + interval '24 hours'"
    );
    until("it may get a session for a day yet", async || shop.count(&put_off).await == 1).await;

    shop.execute(&format!(
        "UPDATE payments SET created_at = now() - interval '26 hours', next_reconcile_at = NULL
         WHERE order_id = (SELECT id FROM orders WHERE number = '{number}')"
    ))
    .await;
    let ended = format!("SELECT count(*) FROM orders WHERE number = '{number}' AND status = 'EXPIRED'");
    until("it has ended", async || shop.count(&ended).await == 1).await;
    assert_eq!(shop.count("SELECT count(*) FROM invoices WHERE status = 'VOID'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_another_process_asks_about_is_left_alone_until_its_lease_ends() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let (taken, free) = (started(&shop, &buyer).await, started(&shop, &buyer).await);
    for started in [&taken, &free] {
        happens(&shop, started, "paid").await;
    }
    let id = taken["order"]["id"].as_str().unwrap();
    shop.execute(&format!(
        "UPDATE payments SET reconcile_leased_until = now() + interval '1 hour' WHERE order_id = '{id}'"
    ))
    .await;
    age(&shop).await;
    becomes(&shop, &free, "PAID PAID PAID").await;
    assert_eq!(status(&shop, &taken).await, "PENDING OPEN PENDING");
    shop.execute(
        "UPDATE payments SET reconcile_leased_until = now() - interval '1 second' WHERE status = 'PENDING'",
    )
    .await;
    becomes(&shop, &taken, "PAID PAID PAID").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_it_is_counted() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let started = started(&shop, &buyer).await;
    happens(&shop, &started, "paid").await;
    age(&shop).await;
    becomes(&shop, &started, "PAID PAID PAID").await;
    let figures = async || shop.send(0, Method::GET, DEMO, "/metrics", &[], None).await.expect(200).text;
    until("it is counted", async || {
        let figures = figures().await;
        figures.contains("reconciled_total{outcome=\"paid\"}")
            && figures.contains("payments_oldest_pending_seconds")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_about_a_payment_that_is_young() {
    let shop = Shop::open_as(1, &[("RECONCILE_EVERY_SECONDS", "1")]).await;
    shop.stand_in("mode", &json!({"webhooks": "hold"})).await;
    let buyer = shop.register(DEMO).await;
    let (young, old) = (started(&shop, &buyer).await, started(&shop, &buyer).await);
    join_all([&young, &old].map(|started| happens(&shop, started, "paid"))).await;
    let id = old["order"]["id"].as_str().unwrap();
    shop.execute(&format!(
        "UPDATE payments SET created_at = created_at - interval '16 minutes' WHERE order_id = '{id}'"
    ))
    .await;
    becomes(&shop, &old, "PAID PAID PAID").await;
    assert_eq!(status(&shop, &young).await, "PENDING OPEN PENDING");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_another_amount_is_stored_as_failed_and_changes_nothing() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let started = started(&shop, &buyer).await;
    happens(&shop, &started, "paid").await;
    shop.execute("UPDATE orders SET total = total + 1").await;
    age(&shop).await;
    until("it is stored", async || {
        shop.count("SELECT count(*) FROM webhook_events WHERE status = 'FAILED'").await == 1
    })
    .await;
    assert_eq!(status(&shop, &started).await, "PENDING OPEN PENDING");
}

/// Lets the provider be asked for refunds and disputes at the next sweep.
async fn hear_now(shop: &Shop) {
    shop.execute("UPDATE provider_event_sweeps SET next_at = now() - interval '1 second'").await;
}

async fn intent(shop: &Shop, started: &Value) -> String {
    let id = started["order"]["id"].as_str().unwrap();
    shop.text(&format!("SELECT provider_payment_intent_id FROM payments WHERE order_id = '{id}'")).await
}

async fn licences(shop: &Shop, started: &Value) -> String {
    let id = started["order"]["id"].as_str().unwrap();
    shop.text(&format!("SELECT string_agg(DISTINCT status, ' ') FROM licences WHERE order_id = '{id}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_disputes_whose_webhooks_are_lost_take_effect_once() {
    let shop = shop_without_webhooks(2).await;
    let buyer = shop.register(DEMO).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        let started = started(&shop, &buyer).await;
        happens(&shop, &started, "paid").await;
        orders.push(started);
    }
    age(&shop).await;
    for started in &orders {
        becomes(&shop, started, "PAID PAID PAID").await;
    }
    let [refunded, partly, disputed, lost] = &orders[..] else { unreachable!() };
    let path = async |started: &Value, what: &str| {
        format!("payment_intents/{}/{what}", intent(&shop, started).await)
    };
    shop.stand_in(&path(refunded, "refund").await, &json!({})).await;
    shop.stand_in(&path(partly, "refund").await, &json!({"amount": 100})).await;
    shop.stand_in(&path(disputed, "dispute").await, &json!({"action": "create"})).await;
    shop.stand_in(&path(lost, "dispute").await, &json!({"action": "create"})).await;
    shop.stand_in(&path(lost, "dispute").await, &json!({"action": "lost"})).await;
    hear_now(&shop).await;
    becomes(&shop, refunded, "REFUNDED REFUNDED REFUNDED").await;
    until("the dispute is heard", async || licences(&shop, disputed).await == "SUSPENDED").await;
    until("its end is heard", async || licences(&shop, lost).await == "REVOKED").await;
    assert_eq!(licences(&shop, refunded).await, "REVOKED");
    assert_eq!(
        (status(&shop, partly).await.as_str(), licences(&shop, partly).await.as_str()),
        ("PAID PAID PAID", "ACTIVE")
    );
    assert_eq!(
        shop.count("SELECT sum(amount_refunded)::bigint FROM payments WHERE status = 'PAID'").await,
        100
    );

    // Their webhooks come after all, twice: each was stored under its own id, and changes nothing more.
    let entries = shop.count("SELECT count(*) FROM audit_log").await;
    shop.stand_in("release", &json!({"times": 2, "shuffle": true, "concurrent": true})).await;
    assert_eq!(shop.count("SELECT count(*) FROM audit_log").await, entries);
    let of_charges = "SELECT count(*) FROM webhook_events WHERE type IN ('charge.refunded', 'charge.dispute.created', 'charge.dispute.closed')";
    assert_eq!(shop.count(&format!("{of_charges} AND status = 'PROCESSED' AND attempts = 1")).await, 5);
    assert_eq!(shop.count(of_charges).await, 5);

    // What is made later is asked for later, and what was heard is not forgotten.
    shop.stand_in("mode", &json!({"webhooks": "hold"})).await;
    shop.stand_in(&path(disputed, "dispute").await, &json!({"action": "won"})).await;
    hear_now(&shop).await;
    until("the end is heard", async || licences(&shop, disputed).await == "ACTIVE").await;
    assert_eq!(
        shop.count(
            "SELECT count(*) FROM provider_event_sweeps WHERE heard_until > now() - interval '1 minute'"
        )
        .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_is_heard_before_its_payment_waits_for_it() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let order = started(&shop, &buyer).await;
    happens(&shop, &order, "paid").await;
    let paid = shop.provider_session(&order).await;
    shop.stand_in(
        &format!("payment_intents/{}/refund", paid["payment_intent"].as_str().unwrap()),
        &json!({}),
    )
    .await;
    hear_now(&shop).await;
    let waiting = "SELECT count(*) FROM webhook_events WHERE status = 'PENDING' AND type = 'charge.refunded'";
    until("it is kept", async || shop.count(waiting).await == 1).await;
    assert_eq!(status(&shop, &order).await, "PENDING OPEN PENDING");
    age(&shop).await;
    becomes(&shop, &order, "REFUNDED REFUNDED REFUNDED").await;
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 1, "money was taken, and given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_away_no_time_counts_as_heard() {
    let shop = shop_without_webhooks(1).await;
    let buyer = shop.register(DEMO).await;
    let order = started(&shop, &buyer).await;
    happens(&shop, &order, "paid").await;
    age(&shop).await;
    becomes(&shop, &order, "PAID PAID PAID").await;
    let heard =
        "SELECT count(*) FROM provider_event_sweeps WHERE heard_until IS NOT NULL AND leased_until IS NULL";
    until("it was asked once", async || shop.count(heard).await == 1).await;
    shop.stand_in("mode", &json!({"api": "error500"})).await;
    shop.execute("UPDATE provider_event_sweeps SET heard_until = NULL").await;
    shop.stand_in(&format!("payment_intents/{}/refund", intent(&shop, &order).await), &json!({})).await;
    hear_now(&shop).await;
    let put_off = "SELECT count(*) FROM provider_event_sweeps WHERE next_at > now() AND leased_until IS NULL";
    until("it is put off", async || shop.count(put_off).await == 1).await;
    assert_eq!(shop.count("SELECT count(*) FROM provider_event_sweeps WHERE heard_until IS NULL").await, 1);
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    hear_now(&shop).await;
    becomes(&shop, &order, "REFUNDED REFUNDED REFUNDED").await;
}
