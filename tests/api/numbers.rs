//! Series of numbers: their years and days are those of UTC, and a used-up one refuses without writing anything.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use primetech_actors::clock::ManualClock;
use serde_json::json;

use crate::harness::{ACME, DEMO, Shop};

/// 36 to the fourth: the order numbers of a tenant's day.
const ORDERS_A_DAY: i64 = 1_679_616;

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_invoices_and_a_day_of_orders_begin_at_midnight_utc() {
    let midnight: DateTime<Utc> = "2031-01-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::at(midnight - TimeDelta::milliseconds(5)));
    let shop = Shop::open_clocked(1, &[], clock.clone()).await;
    let (demo, acme) = (shop.register(DEMO).await, shop.register(ACME).await);
    let body = json!({"items": [{"sku": "editor", "quantity": 1}]});
    let order = async |visitor| {
        // The provider, whose day is another, refuses; the order and its invoice are written by then.
        shop.post_as(0, visitor, "/api/checkout/start", &body).await.expect(502);
        let orders = shop.get_as(visitor, "/api/orders?limit=1").await.expect(200).json();
        let text = |name: &str| orders["items"][0][name].as_str().unwrap().to_owned();
        (text("number")[..13].to_owned(), text("invoiceNumber"))
    };
    let of = |day: &str, invoice: &str| (format!("ORD-{day}-"), invoice.to_owned());
    assert_eq!(order(&demo).await, of("20301231", "INV-2030-000001"));
    clock.set(midnight - TimeDelta::microseconds(1));
    assert_eq!(order(&demo).await, of("20301231", "INV-2030-000002"));
    clock.set(midnight);
    assert_eq!(order(&demo).await, of("20310101", "INV-2031-000001"));
    assert_eq!(order(&acme).await, of("20310101", "INV-2031-000001"), "each tenant has its own");
    clock.set(midnight + TimeDelta::days(1));
    assert_eq!(order(&demo).await, of("20310102", "INV-2031-000002"), "a new day is no new year");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_day_of_orders_refuses_the_rest_and_leaves_no_gap_in_the_invoices() {
    let shop = Shop::open().await;
    let (buyer, elsewhere) = (shop.register(DEMO).await, shop.register(ACME).await);
    shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    let almost = ORDERS_A_DAY - 2;
    shop.execute(&format!("UPDATE counters SET last_value = {almost} WHERE kind = 'ORD'")).await;
    let body = json!({"items": [{"sku": "editor", "quantity": 1}]});
    let answers = join_all((0..8).map(|_| shop.post_as(0, &buyer, "/api/checkout/start", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "NUMBERS_EXHAUSTED"));
        assert!(refused.headers.contains_key("retry-after"));
    }
    for (table, rows) in [("orders", 3), ("order_items", 3), ("invoices", 3), ("payments", 3)] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
    assert_eq!(shop.count("SELECT last_value::bigint FROM counters WHERE kind = 'INV'").await, 3);
    assert_eq!(shop.text("SELECT max(right(number, 6)) FROM invoices").await, "000003");
    shop.check_out(&elsewhere, json!([{"sku": "editor", "quantity": 1}])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_year_of_receipts_leaves_the_order_unpaid_until_another_try() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    shop.execute(
        "INSERT INTO counters (tenant_id, kind, period, last_value)
         SELECT tenant_id, 'RCP', period, 999999 FROM counters WHERE kind = 'INV'",
    )
    .await;
    let paid = shop.paid_event(&started, "pi");
    assert_eq!(shop.deliver(0, &paid).await.expect(500).code(), "WEBHOOK_PROCESSING_FAILED");
    assert_eq!(shop.text("SELECT status FROM orders").await, "PENDING");
    assert_eq!(shop.text("SELECT status FROM invoices").await, "OPEN");
    for table in ["receipts", "licences", "entitlements"] {
        assert_eq!(shop.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(shop.count("SELECT last_value::bigint FROM counters WHERE kind = 'RCP'").await, 999_999);
    shop.execute("UPDATE counters SET last_value = 999998 WHERE kind = 'RCP'").await;
    shop.deliver(0, &paid).await.expect(200);
    assert_eq!(shop.text("SELECT right(number, 7) FROM receipts").await, "-999999");
}
