//! What payments, refunds and disputes come to, with the provider's times: late news, words that are taken back, and an
//! account that others use too.

use std::sync::Arc;

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use primetech_actors::clock::{Clock, ManualClock, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{DEMO, Shop, Visitor, event, until};

const DEMO_ID: &str = "00000000-0000-7000-8000-000000000001";

async fn started(shop: &Shop) -> (Visitor, Value) {
    let buyer = shop.register(DEMO).await;
    let items = json!([{"sku": "editor", "quantity": 1}, {"sku": "icons", "quantity": 1}]);
    let started = shop.check_out(&buyer, items).await;
    (buyer, started)
}

async fn bought(shop: &Shop) -> (Visitor, Value) {
    let (buyer, started) = started(shop).await;
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    (buyer, started)
}

fn intent(started: &Value) -> String {
    format!("pi_{}", started["order"]["id"].as_str().unwrap())
}

/// An event that the provider made so many seconds ago.
fn told(kind: &str, object: Value, ago: i64) -> Value {
    at(event(kind, object), SystemClock.now() - TimeDelta::seconds(ago))
}

fn at(mut event: Value, created: DateTime<Utc>) -> Value {
    event["created"] = json!(created.timestamp());
    event
}

fn dispute(started: &Value, id: &str, kind: &str, status: &str, ago: i64) -> Value {
    told(kind, json!({"id": id, "payment_intent": intent(started), "status": status}), ago)
}

fn refunded(started: &Value, amount: i64, ago: i64) -> Value {
    let object = json!({
        "id": "ch_1", "payment_intent": intent(started), "refunded": amount == 6800, "amount_refunded": amount,
    });
    told("charge.refunded", object, ago)
}

fn refund(started: &Value, kind: &str, status: &str, amount: i64, ago: i64) -> Value {
    let object = json!({
        "id": format!("re_{amount}"), "object": "refund", "payment_intent": intent(started), "amount": amount,
        "status": status, "metadata": {},
    });
    told(kind, object, ago)
}

async fn order(shop: &Shop, buyer: &Visitor, started: &Value) -> Value {
    let number = started["order"]["number"].as_str().unwrap();
    shop.get_as(buyer, &format!("/api/orders/{number}")).await.expect(200).json()["order"].clone()
}

/// Order, invoice, dispute, licence, and how many downloads are open.
async fn state(shop: &Shop, buyer: &Visitor, started: &Value) -> String {
    let id = started["order"]["id"].as_str().unwrap();
    let order = order(shop, buyer, started).await;
    let dispute = order["dispute"].as_str().unwrap_or("none").to_owned();
    let rest = shop
        .text(&format!(
            "SELECT i.status || ' ' || '{dispute}' || ' ' || l.status || ' '
                    || (SELECT count(*) FROM entitlements e WHERE e.order_id = i.order_id AND e.revoked_at IS NULL)
             FROM invoices i JOIN licences l ON l.order_id = i.order_id WHERE i.order_id = '{id}'"
        ))
        .await;
    format!("{} {rest}", order["status"].as_str().unwrap())
}

async fn status_of(shop: &Shop, event: &Value) -> String {
    let id = event["id"].as_str().unwrap();
    shop.text(&format!("SELECT status FROM webhook_events WHERE provider_event_id = '{id}'")).await
}

async fn hear(shop: &Shop, events: &[&Value]) {
    for event in events {
        shop.deliver(0, event).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_is_when_it_was_paid_however_late_the_news() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    let paid_at = SystemClock.now() - TimeDelta::days(3);
    hear(&shop, &[&at(shop.paid_event(&started, "pi"), paid_at)]).await;
    let written = paid_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let order = order(&shop, &buyer, &started).await;
    assert_eq!((&order["status"], &order["paidAt"]), (&json!("PAID"), &json!(written)));
    let invoice = started["invoice"]["number"].as_str().unwrap();
    let invoice = shop.get_as(&buyer, &format!("/api/invoices/{invoice}")).await.expect(200).json();
    assert_eq!(invoice["invoice"]["paidAt"], json!(written));
    let receipt = order["receiptNumber"].as_str().unwrap();
    let receipt = shop.get_as(&buyer, &format!("/api/receipts/{receipt}")).await.expect(200).json();
    assert_eq!(receipt["receipt"]["paidAt"], json!(written));
    let issued: DateTime<Utc> = receipt["receipt"]["issuedAt"].as_str().unwrap().parse().unwrap();
    assert!(SystemClock.now() - issued < TimeDelta::minutes(1), "{issued}");
    // Another event of the same payment does not move it.
    hear(&shop, &[&shop.session_event(&started, "checkout.session.async_payment_succeeded", "paid", "pi")])
        .await;
    assert_eq!(shop.count("SELECT count(DISTINCT paid_at) FROM (SELECT paid_at FROM orders UNION SELECT paid_at FROM receipts) AS times").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_numbered_in_the_year_in_which_it_is_issued() {
    let now = SystemClock.now();
    let clock = Arc::new(ManualClock::at(now));
    let shop = Shop::open_clocked(1, &[], clock.clone()).await;
    let (_, started) = started(&shop).await;
    let next_year = now.year() + 1;
    let new_year: DateTime<Utc> = format!("{next_year}-01-01T00:00:00Z").parse().unwrap();
    let paid = at(shop.paid_event(&started, "pi"), new_year - TimeDelta::seconds(2));
    clock.set(new_year + TimeDelta::minutes(1));
    let ago = (SystemClock.now() - clock.now()).num_seconds();
    shop.deliver_signed(0, paid.to_string(), "whsec_harness", ago).await.expect(200);
    let receipt = "SELECT number || ' ' || extract(year FROM paid_at AT TIME ZONE 'UTC') || ' '
                       || extract(year FROM created_at AT TIME ZONE 'UTC') FROM receipts";
    assert_eq!(shop.text(receipt).await, format!("RCP-{next_year}-000001 {} {next_year}", next_year - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_of_a_dispute_counts_in_whatever_order_the_words_come() {
    let shop = Shop::open_with(2).await;
    let words = |started: &Value| {
        [
            dispute(started, "dp_1", "charge.dispute.created", "needs_response", 30),
            dispute(started, "dp_1", "charge.dispute.closed", "lost", 20),
            dispute(started, "dp_1", "charge.dispute.closed", "won", 10),
        ]
    };
    for places in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let (buyer, started) = bought(&shop).await;
        assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID none ACTIVE 2");
        let words = words(&started);
        for at in places {
            hear(&shop, &[&words[at], &words[at]]).await;
        }
        assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID WON ACTIVE 2", "{places:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_dispute_takes_licences_and_downloads_and_one_that_turns_gives_them_back() {
    let shop = Shop::open().await;
    shop.publish("demo", "icons", "1.0", "icons").await;
    let (buyer, started) = bought(&shop).await;
    let downloads = async || {
        let list = shop.get_as(&buyer, "/api/account/downloads").await.expect(200).json();
        list["items"].as_array().unwrap().len()
    };
    let word = |id: &str, kind: &str, status: &str, ago: i64| dispute(&started, id, kind, status, ago);
    hear(&shop, &[&word("dp_1", "charge.dispute.created", "needs_response", 50)]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID OPEN SUSPENDED 2");
    hear(&shop, &[&word("dp_1", "charge.dispute.closed", "lost", 40)]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID LOST REVOKED 0");
    assert_eq!(downloads().await, 0, "they are closed");
    // Another one that is won does not help: a lost one prevails.
    hear(&shop, &[&word("dp_2", "charge.dispute.closed", "won", 30)]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID LOST REVOKED 0");
    hear(&shop, &[&word("dp_1", "charge.dispute.updated", "won", 20)]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID WON ACTIVE 2");
    assert_eq!(downloads().await, 1, "they are open again");
    let list = shop.get_as(&buyer, "/api/orders").await.expect(200).json();
    assert_eq!(list["items"][0]["dispute"], "WON");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revoked_by_hand_or_refunded_is_not_given_back() {
    let shop = Shop::open().await;
    let lost = |started: &Value| dispute(started, "dp_1", "charge.dispute.closed", "lost", 40);
    let won = |started: &Value| dispute(started, "dp_1", "charge.dispute.closed", "won", 10);
    let revoke = async |started: &Value| {
        let id = started["order"]["id"].as_str().unwrap();
        let key = shop.text(&format!("SELECT key FROM licences WHERE order_id = '{id}'")).await;
        let database =
            primetech_actors::database::Database::connect_lazy(&shop.database_url.as_str().into(), 1)
                .unwrap();
        let scope =
            primetech_actors::tenancy::registry::find(&database, "demo").await.unwrap().unwrap().scope();
        let key = primetech_actors::identifiers::LicenceKey::parse(&key).unwrap();
        let now = SystemClock.now();
        primetech_licences::operator::revoke(&database, now, &scope, &key).await.unwrap().1
    };
    let (buyer, by_hand_after) = bought(&shop).await;
    hear(&shop, &[&lost(&by_hand_after)]).await;
    assert!(!revoke(&by_hand_after).await, "it was revoked before");
    hear(&shop, &[&won(&by_hand_after)]).await;
    assert_eq!(state(&shop, &buyer, &by_hand_after).await, "PAID PAID WON REVOKED 2");

    let (buyer, by_hand_before) = bought(&shop).await;
    assert!(revoke(&by_hand_before).await);
    hear(&shop, &[&lost(&by_hand_before), &won(&by_hand_before)]).await;
    assert_eq!(state(&shop, &buyer, &by_hand_before).await, "PAID PAID WON REVOKED 2");

    let (buyer, paid_back) = bought(&shop).await;
    hear(&shop, &[&lost(&paid_back), &refunded(&paid_back, 6800, 20), &won(&paid_back)]).await;
    assert_eq!(state(&shop, &buyer, &paid_back).await, "REFUNDED REFUNDED WON REVOKED 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_later_leaves_the_order_paid_with_all_it_gave() {
    let shop = Shop::open().await;
    for (kind, status) in
        [("refund.failed", "failed"), ("refund.updated", "failed"), ("charge.refund.updated", "failed")]
    {
        for is_late in [false, true] {
            let (buyer, started) = bought(&shop).await;
            let (made, failed) = (refunded(&started, 6800, 20), refund(&started, kind, status, 6800, 10));
            if is_late {
                hear(&shop, &[&failed, &made, &failed]).await;
            } else {
                hear(&shop, &[&made]).await;
                assert_eq!(state(&shop, &buyer, &started).await, "REFUNDED REFUNDED none REVOKED 0");
                hear(&shop, &[&failed, &failed]).await;
            }
            assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID none ACTIVE 2", "{kind}");
        }
    }
    let of_log = "SELECT count(*) FROM audit_log WHERE action = 'payment.refund_failed'";
    assert_eq!(shop.count(of_log).await, 6);
    let figures = shop.send(0, Method::GET, "any.host", "/metrics", &[], None).await.expect(200).text;
    let counted = figures.lines().find(|line| line.starts_with("payment_refunds_failed_total ")).unwrap();
    let counted: f64 = counted.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(counted >= 6.0, "{counted}");

    let (buyer, started) = bought(&shop).await;
    let pending = refund(&started, "refund.updated", "succeeded", 900, 5);
    hear(&shop, &[&refunded(&started, 900, 20), &refunded(&started, 6800, 15), &pending]).await;
    assert_eq!(status_of(&shop, &pending).await, "IGNORED");
    assert_eq!(state(&shop, &buyer, &started).await, "REFUNDED REFUNDED none REVOKED 0");
    hear(&shop, &[&refund(&started, "refund.failed", "failed", 900, 3)]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID none ACTIVE 2");
    let amount = "SELECT sum(amount_refunded)::bigint FROM payments";
    assert_eq!(shop.count(amount).await, 5900, "the other part stays refunded");
    // What is refunded once more after the failure is refunded.
    hear(&shop, &[&refunded(&started, 6800, 1)]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "REFUNDED REFUNDED none REVOKED 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_at_a_shared_account_is_ignored_and_counts_as_no_failure() {
    let shop = Shop::open().await;
    let elsewhere = json!({"tenantId": "0190b6f0-0000-7000-8000-000000000000", "orderId": "0190b6f0-0000-7000-8000-000000000001"});
    let session = |id: &str, status: &str, metadata: Value| {
        json!({
            "id": id, "object": "checkout.session", "payment_status": status, "amount_total": 100,
            "currency": "usd", "payment_intent": "pi_theirs", "metadata": metadata,
        })
    };
    let mut foreign = Vec::new();
    for metadata in [json!({}), json!(null), json!({"cart": "7"}), elsewhere] {
        foreign.push(event("checkout.session.completed", session("cs_theirs", "paid", metadata.clone())));
        foreign.push(event("checkout.session.expired", session("cs_theirs", "unpaid", metadata.clone())));
        let charge = json!({"id": "ch_1", "payment_intent": "pi_theirs", "refunded": true, "amount_refunded": 100, "metadata": metadata});
        foreign.push(event("charge.refunded", charge));
    }
    // Of a subscription or of no payment intent: what our own would have is not there.
    let mut odd = session("cs_setup", "no_payment_required", json!({}));
    odd["amount_total"] = json!(null);
    foreign.push(event("checkout.session.completed", odd));
    foreign.push(event("charge.refunded", json!({"id": "ch_1", "payment_intent": null, "refunded": true})));
    foreign.push(event(
        "charge.dispute.created",
        json!({"id": "dp_1", "charge": "ch_1", "status": "needs_response"}),
    ));
    foreign.push(event(
        "charge.dispute.closed",
        json!({"id": "dp_1", "payment_intent": "pi_theirs", "status": "lost"}),
    ));
    foreign.push(event(
        "refund.failed",
        json!({"id": "re_1", "payment_intent": "pi_theirs", "amount": 1, "status": "failed"}),
    ));
    for event in &foreign {
        shop.deliver(0, event).await.expect(200);
        assert_eq!(status_of(&shop, event).await, "IGNORED", "{event}");
    }
    assert_eq!(shop.count("SELECT count(*) FROM webhook_events WHERE last_error IS NOT NULL").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bears_our_mark_waits_for_its_payment_thirty_days_at_the_most() {
    let shop = Shop::open_as(1, &[("RECONCILE_EVERY_SECONDS", "1")]).await;
    let (buyer, started) = started(&shop).await;
    let mark = json!({"tenantId": DEMO_ID, "orderId": started["order"]["id"]});
    let charge = json!({
        "id": "ch_1", "payment_intent": intent(&started), "refunded": true, "amount_refunded": 6800, "metadata": mark,
    });
    let early = told("charge.refunded", charge, 5);
    let lost = json!({"tenantId": DEMO_ID, "orderId": "0190b6f0-0000-7000-8000-000000000001"});
    let unknown = event(
        "checkout.session.completed",
        json!({
            "id": "cs_lost", "payment_status": "paid", "amount_total": 100, "currency": "usd",
            "payment_intent": "pi_lost", "metadata": lost,
        }),
    );
    hear(&shop, &[&early, &unknown]).await;
    for event in [&early, &unknown] {
        assert_eq!(status_of(&shop, event).await, "PENDING");
    }
    hear(&shop, &[&shop.paid_event(&started, "pi")]).await;
    assert_eq!(status_of(&shop, &early).await, "PROCESSED");
    assert_eq!(state(&shop, &buyer, &started).await, "REFUNDED REFUNDED none REVOKED 0");
    shop.execute("UPDATE webhook_events SET received_at = received_at - interval '29 days 23 hours'").await;
    hear(&shop, &[&unknown]).await;
    assert_eq!(status_of(&shop, &unknown).await, "PENDING");
    shop.execute("UPDATE webhook_events SET received_at = received_at - interval '2 hours'").await;
    until("it is given up", async || status_of(&shop, &unknown).await == "FAILED").await;
    assert_eq!(status_of(&shop, &early).await, "PROCESSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmarked_refund_or_dispute_is_taken_up_when_its_payment_comes() {
    let shop = Shop::open_with(2).await;
    let (buyer, started) = started(&shop).await;
    let early = [
        dispute(&started, "dp_1", "charge.dispute.created", "needs_response", 9),
        dispute(&started, "dp_1", "charge.dispute.closed", "lost", 8),
        refunded(&started, 900, 7),
    ];
    for event in &early {
        // However often it comes.
        hear(&shop, &[event, event]).await;
        assert_eq!(status_of(&shop, event).await, "IGNORED");
    }
    hear(&shop, &[&shop.paid_event(&started, "pi")]).await;
    for event in &early {
        assert_eq!(status_of(&shop, event).await, "PROCESSED");
    }
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID LOST REVOKED 0");
    assert_eq!(shop.count("SELECT amount_refunded FROM payments").await, 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_ours_that_we_never_heard_of_pays_the_order_that_it_bears() {
    let shop = Shop::open().await;
    let (buyer, started) = started(&shop).await;
    let mut paid = shop.paid_event(&started, "pi");
    paid["data"]["object"]["id"] = json!("cs_never_heard_of");
    paid["data"]["object"]["metadata"] = json!({"tenantId": DEMO_ID, "orderId": started["order"]["id"]});
    let mut ended = paid.clone();
    (ended["id"], ended["type"]) = (json!("evt_ended"), json!("checkout.session.expired"));
    hear(&shop, &[&ended]).await;
    assert_eq!(order(&shop, &buyer, &started).await["status"], "PENDING", "the customer has another session");
    hear(&shop, &[&paid]).await;
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID none ACTIVE 2");
    assert_eq!(status_of(&shop, &paid).await, "PROCESSED");
    // The customer's own session is paid as well: once too often, which a person has to give back.
    let twice = shop.paid_event(&started, "pi_second");
    hear(&shop, &[&twice]).await;
    assert_eq!(status_of(&shop, &twice).await, "FAILED");
    let object = json!({
        "id": "ch_2", "payment_intent": format!("pi_second_{}", started["order"]["id"].as_str().unwrap()),
        "refunded": true, "amount_refunded": 6800,
        "metadata": {"tenantId": DEMO_ID, "orderId": started["order"]["id"]},
    });
    let given_back = event("charge.refunded", object);
    hear(&shop, &[&given_back]).await;
    assert_eq!(status_of(&shop, &given_back).await, "IGNORED");
    assert_eq!(state(&shop, &buyer, &started).await, "PAID PAID none ACTIVE 2");
}
