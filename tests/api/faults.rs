//! A database that goes away and a batch that is spoiled: clear answers, then recovery.

use serde_json::json;

use crate::harness::{DEMO, Shop, until};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_cost_a_retry_and_not_an_answer() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    for _ in 0..5 {
        shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
        shop.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'primetech'",
        )
        .await;
    }
    shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    assert_eq!(shop.count("SELECT count(*) FROM invoices").await, 6);
    assert_eq!(shop.count("SELECT max(right(number, 6)::bigint) FROM invoices").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_that_cannot_be_written_does_not_fail_its_neighbours() {
    let shop = Shop::open().await;
    let (buyer, unlucky) = (shop.register(DEMO).await, shop.register(DEMO).await);
    // Orders of one user are refused by the database itself.
    let unlucky_id =
        shop.get_as(&unlucky, "/api/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned();
    shop.execute(&format!("ALTER TABLE orders ADD CONSTRAINT unlucky CHECK (user_id <> '{unlucky_id}')"))
        .await;
    let body = json!({"items": [{"sku": "editor", "quantity": 1}]});
    let starts = (0..20).map(|at| {
        let visitor = if at == 7 { &unlucky } else { &buyer };
        shop.post_as(0, visitor, "/api/checkout/start", &body)
    });
    let answers = futures_util::future::join_all(starts).await;
    for (at, answer) in answers.iter().enumerate() {
        if at == 7 {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (500, "INTERNAL_ERROR"));
            assert!(!answer.text.contains("unlucky"), "internals are not told");
        } else {
            assert_eq!(answer.status, 201, "{}", answer.text);
        }
    }
    let numbers: Vec<i32> = sqlx::query_scalar("SELECT right(number, 6)::integer FROM invoices ORDER BY 1")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(numbers, (1..=19).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_is_noted_and_its_next_delivery_succeeds() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    shop.execute("ALTER TABLE receipts ADD CONSTRAINT no_more CHECK (false)").await;
    let paid = shop.paid_event(&started, "pi");
    assert_eq!(shop.deliver(0, &paid).await.expect(500).code(), "WEBHOOK_PROCESSING_FAILED");
    assert_eq!(shop.text("SELECT status || ' ' || attempts FROM webhook_events").await, "PENDING 1");
    assert_eq!(shop.text("SELECT status FROM orders").await, "PENDING");
    shop.execute("ALTER TABLE receipts DROP CONSTRAINT no_more").await;
    shop.deliver(0, &paid).await.expect(200);
    assert_eq!(shop.text("SELECT status || ' ' || attempts FROM webhook_events").await, "PROCESSED 2");
    until("the licence is there", async || shop.count("SELECT count(*) FROM licences").await == 1).await;
}
