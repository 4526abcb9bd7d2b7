//! Idempotency keys: the key, the work and the saved answer are written together, for whoever sent the key.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, DEMO, Shop, Visitor};

const BOOKINGS: &str = "/api/bookings";
const CHECKOUT: &str = "/api/checkout/start";

fn booking() -> Value {
    json!({"serviceSku": "call", "name": "Jane", "email": "jane@example.com"})
}

fn cart(quantity: u32) -> Value {
    json!({"items": [{"sku": "editor", "quantity": quantity}]})
}

/// By the customer where there is one, else from the address that a proxy tells.
async fn send(shop: &Shop, who: Result<&Visitor, &str>, path: &str, key: &str, body: &Value) -> Answer {
    let sender = match who {
        Ok(visitor) => ("cookie", visitor.cookie.as_str()),
        Err(address) => ("x-forwarded-for", address),
    };
    let headers = [("content-type", "application/json"), ("idempotency-key", key), sender];
    shop.send(0, Method::POST, DEMO, path, &headers, Some(body.to_string())).await
}

async fn forbid(shop: &Shop, table: &str, condition: &str) {
    shop.execute(&format!("ALTER TABLE {table} ADD CONSTRAINT forbidden CHECK ({condition}) NOT VALID"))
        .await;
}

async fn allow(shop: &Shop, table: &str) {
    shop.execute(&format!("ALTER TABLE {table} DROP CONSTRAINT forbidden")).await;
}

async fn assert_empty(shop: &Shop, tables: &[&str]) {
    for table in tables {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_its_key_and_its_answer_are_written_together_or_not_at_all() {
    let shop = Shop::open().await;
    let written = ["bookings", "booking_events", "outbox_messages", "idempotency_keys"];
    // Of the four, each in turn cannot be written; the answer is a part of the key's row.
    let faults = written.map(|table| (table, "false")).into_iter();
    for (table, condition) in faults.chain([("idempotency_keys", "response_status IS NULL")]) {
        forbid(&shop, table, condition).await;
        let failed = send(&shop, Err("192.0.2.1"), BOOKINGS, "visit", &booking()).await.expect(500);
        assert_eq!(failed.code(), "INTERNAL_ERROR");
        assert_empty(&shop, &written).await;
        allow(&shop, table).await;
    }
    // A 5xx is not kept: the same key books.
    let made = send(&shop, Err("192.0.2.1"), BOOKINGS, "visit", &booking()).await.expect(201);
    assert!(!made.headers.contains_key("idempotency-replayed"));
    assert_eq!(shop.count("SELECT count(*) FROM idempotency_keys WHERE response_status = 201").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_its_invoice_its_payment_and_its_key_are_written_together_or_not_at_all() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let written = ["orders", "order_items", "invoices", "payments", "idempotency_keys", "counters"];
    for table in written {
        forbid(&shop, table, "false").await;
        send(&shop, Ok(&buyer), CHECKOUT, "cart", &cart(1)).await.expect(500);
        assert_empty(&shop, &written).await;
        allow(&shop, table).await;
    }
    let made = send(&shop, Ok(&buyer), CHECKOUT, "cart", &cart(1)).await.expect(201);
    assert!(!made.headers.contains_key("idempotency-replayed"));
    assert!(made.json()["invoice"]["number"].as_str().unwrap().ends_with("-000001"));
}

/// Where the answer cannot be kept, the Checkout Session is not noted either; and who asks again need not wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkouts_answer_is_kept_with_its_session_or_the_next_request_goes_on() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    forbid(&shop, "idempotency_keys", "response_status IS NULL").await;
    send(&shop, Ok(&buyer), CHECKOUT, "cart", &cart(1)).await.expect(500);
    let noted = "SELECT count(*) FROM payments WHERE provider_session_id IS NOT NULL";
    assert_eq!(shop.count(noted).await, 0);
    let order = shop.text("SELECT number FROM orders").await;
    allow(&shop, "idempotency_keys").await;
    let made = send(&shop, Ok(&buyer), CHECKOUT, "cart", &cart(1)).await.expect(201);
    assert!(!made.headers.contains_key("idempotency-replayed"));
    assert_eq!(made.json()["order"]["number"], order);
    assert_eq!((shop.count("SELECT count(*) FROM orders").await, shop.count(noted).await), (1, 1));
    let again = send(&shop, Ok(&buyer), CHECKOUT, "cart", &cart(1)).await.expect(201);
    assert_eq!((again.text, again.headers["idempotency-replayed"].to_str().unwrap()), (made.text, "true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_its_senders() {
    let shop = Shop::open().await;
    let (jane, john) = (shop.register(DEMO).await, shop.register(DEMO).await);
    let mut other = booking();
    other["name"] = json!("John");
    let first = send(&shop, Err("192.0.2.1"), BOOKINGS, "same", &booking()).await.expect(201);
    // Of each of these it is the first request with that key.
    for who in [Err("192.0.2.2"), Err("2001:db8::1"), Ok(&jane), Ok(&john)] {
        let made = send(&shop, who, BOOKINGS, "same", &other).await.expect(201);
        assert!(!made.headers.contains_key("idempotency-replayed"), "{who:?}", who = who.err());
    }
    let again = send(&shop, Err("192.0.2.1"), BOOKINGS, "same", &booking()).await.expect(201);
    assert_eq!(again.text, first.text);
    assert_eq!(shop.count("SELECT count(*) FROM bookings").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_1_to_255_visible_characters_lasts_a_day_and_is_held_for_a_minute() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
    for (path, body) in [(BOOKINGS, booking()), (CHECKOUT, cart(1))] {
        for malformed in ["", "a b", &too_long] {
            let refused = send(&shop, Ok(&buyer), path, malformed, &body).await.expect(400);
            assert_eq!(refused.code(), "VALIDATION_ERROR");
            assert_eq!(refused.faulty_fields(), ["idempotency-key"]);
        }
        for fit in ["!", "~", &longest] {
            // Of another request, so that `fit` may come on both paths.
            let who = if path == BOOKINGS { Err("192.0.2.9") } else { Ok(&buyer) };
            send(&shop, who, path, fit, &body).await.expect(201);
        }
    }
    let lasting = "SELECT string_agg(DISTINCT extract(epoch FROM expires_at - created_at)::int || ' '
        || extract(epoch FROM locked_until - created_at)::int, ',') FROM idempotency_keys";
    assert_eq!(shop.text(lasting).await, "86400 60");
    shop.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'").await;
    let anew = send(&shop, Err("192.0.2.9"), BOOKINGS, "!", &booking()).await.expect(201);
    assert!(!anew.headers.contains_key("idempotency-replayed"), "a day later it is a new key");
}
