//! Checkout: numbers without gap or repeat, idempotency keys, a provider that fails.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, Answer, DEMO, Shop, Visitor};

async fn start_with_key(shop: &Shop, instance: usize, visitor: &Visitor, key: &str, body: &Value) -> Answer {
    let headers =
        [("content-type", "application/json"), ("cookie", visitor.cookie.as_str()), ("idempotency-key", key)];
    let path = "/api/checkout/start";
    shop.send(instance, Method::POST, visitor.host, path, &headers, Some(body.to_string())).await
}

fn one_editor() -> Value {
    json!({"items": [{"sku": "editor", "quantity": 1}]})
}

async fn series(shop: &Shop, slug: &str, table: &str) -> Vec<i32> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT right(x.number, 6)::integer FROM {table} x JOIN tenants t ON t.id = x.tenant_id
         WHERE t.slug = '{slug}' ORDER BY 1"
    )))
    .fetch_all(&shop.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_checkouts_at_once_on_two_instances_leave_no_gap_and_no_repeat() {
    let shop = Shop::open_with(2).await;
    let mut buyers = Vec::new();
    for at in 0..20 {
        buyers.push(shop.register(if at % 2 == 0 { DEMO } else { ACME }).await);
    }
    let body = one_editor();
    let starts = (0..300).map(|at| shop.post_as(at / 20, &buyers[at % 20], "/api/checkout/start", &body));
    for answer in join_all(starts).await {
        answer.expect(201);
    }
    let expected: Vec<i32> = (1..=150).collect();
    assert_eq!(series(&shop, "demo", "invoices").await, expected);
    assert_eq!(series(&shop, "acme", "invoices").await, expected);
    assert_eq!(shop.count("SELECT count(DISTINCT (tenant_id, number)) FROM orders").await, 300);
    assert_eq!(shop.count("SELECT count(*) FROM payments WHERE provider_session_id IS NOT NULL").await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_year_of_invoices_refuses_the_rest_and_writes_nothing() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    shop.execute("UPDATE counters SET last_value = 999997 WHERE kind = 'INV'").await;
    let orders_before = shop.count("SELECT last_value::bigint FROM counters WHERE kind = 'ORD'").await;
    let body = one_editor();
    let answers = join_all((0..8).map(|_| shop.post_as(0, &buyer, "/api/checkout/start", &body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2, "999998 and 999999");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "NUMBERS_EXHAUSTED"));
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 3);
    assert_eq!(shop.count("SELECT count(*) FROM payments").await, 3);
    assert_eq!(shop.count("SELECT last_value::bigint FROM counters WHERE kind = 'INV'").await, 999_999);
    let orders_after = shop.count("SELECT last_value::bigint FROM counters WHERE kind = 'ORD'").await;
    assert_eq!(orders_after, orders_before + 2, "unused order numbers were given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_first_answer_again_byte_for_byte() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let first = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = start_with_key(&shop, 1, &buyer, "key-1", &one_editor()).await.expect(201);
    assert_eq!(again.text, first.text);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = json!({"items": [{"sku": "editor", "quantity": 2}]});
    let reused = start_with_key(&shop, 0, &buyer, "key-1", &other).await.expect(422);
    assert_eq!(reused.code(), "IDEMPOTENCY_KEY_REUSED");
    let another = shop.register(DEMO).await;
    start_with_key(&shop, 0, &another, "key-1", &other).await.expect(201);
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_key_at_once_one_makes_the_order() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let body = one_editor();
    let answers = join_all((0..40).map(|at| start_with_key(&shop, at, &buyer, "key-1", &body))).await;
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty());
    assert!(made.iter().all(|answer| answer.text == made[0].text));
    for other in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((other.status.as_u16(), other.code().as_str()), (409, "IDEMPOTENCY_IN_PROGRESS"));
    }
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_refusal_is_given_again_and_binds_the_key() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let unknown = json!({"items": [{"sku": "nothing", "quantity": 1}]});
    let first = start_with_key(&shop, 0, &buyer, "key-1", &unknown).await.expect(404);
    assert_eq!(first.code(), "PRODUCT_NOT_FOUND");
    assert_eq!(first.json()["error"]["details"]["meta"]["sku"], "nothing");
    let again = start_with_key(&shop, 0, &buyer, "key-1", &unknown).await.expect(404);
    assert_eq!((again.text.as_str(), again.code().as_str()), (first.text.as_str(), "PRODUCT_NOT_FOUND"));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(422);
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_provider_leaves_the_order_pending_and_the_same_key_goes_on_with_it() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.stand_in("mode", &json!({"api": "unavailable"})).await;
    let failed = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(502);
    assert_eq!(failed.code(), "PAYMENT_PROVIDER_ERROR");
    assert_eq!(shop.text("SELECT string_agg(status, ',') FROM orders").await, "PENDING");
    shop.stand_in("mode", &json!({"api": "ok"})).await;
    let started = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(201).json();
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM invoices").await, 1);
    assert_eq!(started["order"]["number"], shop.text("SELECT number FROM orders").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_checkout_is_named_and_nothing_is_written() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let body = json!({"items": [{"sku": 7, "quantity": 0}, {"quantity": "2"}], "successUrl": "javascript:x"});
    let answer = start_with_key(&shop, 0, &buyer, "no spaces", &body).await.expect(400);
    assert_eq!(answer.code(), "VALIDATION_ERROR");
    assert_eq!(
        answer.faulty_fields(),
        [
            "idempotency-key",
            "items[0].quantity",
            "items[0].sku",
            "items[1].quantity",
            "items[1].sku",
            "successUrl"
        ]
    );
    for (items, field) in [
        (json!([]), "items"),
        (json!([{"sku": "editor", "quantity": 1}, {"sku": "editor", "quantity": 1}]), "items[1].sku"),
        (json!([{"sku": "editor", "quantity": 1}, {"sku": "editor-eur", "quantity": 1}]), "items"),
        (
            json!([{"sku": "call", "quantity": 999}, {"sku": "editor", "quantity": 999}, {"sku": "icons", "quantity": 999}]),
            "",
        ),
    ] {
        let answer = shop.post_as(0, &buyer, "/api/checkout/start", &json!({"items": items})).await;
        if field.is_empty() {
            answer.expect(201);
        } else {
            assert_eq!(answer.expect(400).faulty_fields(), [field]);
        }
    }
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM idempotency_keys").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_the_catalogues_whatever_is_sent() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let body = json!({
        "items": [{"sku": "editor", "quantity": 2, "unitAmount": 1, "price": 1, "currency": "JPY", "name": "Free"}],
        "total": 1, "currency": "JPY", "tenantId": "00000000-0000-7000-8000-000000000002"
    });
    let started = shop.post_as(0, &buyer, "/api/checkout/start", &body).await.expect(201).json();
    let item = json!({"sku": "editor", "name": "Editor", "quantity": 2, "unitAmount": 4900, "total": 9800});
    let (order, invoice) = (&started["order"], &started["invoice"]);
    assert_eq!(
        (&order["items"], &order["total"], &order["currency"]),
        (&json!([item]), &json!(9800), &json!("USD"))
    );
    assert_eq!((&invoice["lines"], &invoice["orderNumber"]), (&order["items"], &order["number"]));
    assert_eq!(
        (&invoice["subtotal"], &invoice["tax"], &invoice["total"]),
        (&json!(9800), &json!(0), &json!(9800))
    );
    let session = shop.provider_session(&started).await;
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(9800), &json!("usd")));
    // What changes in the catalogue later does not change what was ordered.
    shop.execute("UPDATE products SET unit_amount = 1, name = 'Other' WHERE sku = 'editor'").await;
    let path = format!("/api/orders/{}", order["number"].as_str().unwrap());
    assert_eq!(shop.get_as(&buyer, &path).await.expect(200).json()["order"], *order);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_is_told_whose_order_it_is_and_where_to_go_back_to() {
    let shop = Shop::open().await;
    let buyer = shop.register(ACME).await;
    let items = json!([{"sku": "editor", "quantity": 1}]);
    let usual = shop.check_out(&buyer, items.clone()).await;
    let session = shop.provider_session(&usual).await;
    assert_eq!(session["client_reference_id"], usual["order"]["id"]);
    assert_eq!(session["metadata"]["orderId"], usual["order"]["id"]);
    assert_eq!(session["metadata"]["tenantId"], "00000000-0000-7000-8000-000000000002");
    for name in ["success_url", "cancel_url"] {
        assert!(session[name].as_str().unwrap().starts_with("https://front.example/"), "{session}");
    }
    let (success, cancel) = ("https://shop.example/thanks?a=b", "http://localhost:3000/cart");
    shop.allow_origins("acme", &["https://shop.example", "http://localhost:3000"]).await;
    let body = json!({"items": items, "successUrl": success, "cancelUrl": cancel});
    let started = shop.post_as(0, &buyer, "/api/checkout/start", &body).await.expect(201).json();
    let session = shop.provider_session(&started).await;
    assert_eq!((&session["success_url"], &session["cancel_url"]), (&json!(success), &json!(cancel)));
    assert_eq!(
        (&session["id"], &session["url"]),
        (&started["checkout"]["sessionId"], &started["checkout"]["url"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_has_1_to_50_items_of_1_to_999() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.execute(
        "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
         SELECT t.id, gen_random_uuid(), 'small-' || n, 'DOWNLOAD', 'Small', 1, 'USD', now(), now()
         FROM tenants t, generate_series(1, 51) AS n",
    )
    .await;
    let cart =
        |count: usize| (1..=count).map(|n| json!({"sku": format!("small-{n}"), "quantity": 1})).collect();
    let start =
        async |items: Value| shop.post_as(0, &buyer, "/api/checkout/start", &json!({"items": items})).await;
    let whole = start(cart(50)).await.expect(201).json();
    assert_eq!(whole["order"]["items"].as_array().unwrap().len(), 50);
    assert_eq!(start(cart(51)).await.expect(400).faulty_fields(), ["items"]);
    for quantity in [json!(0), json!(1000), json!(-1), json!(1.5), json!("1"), json!(null)] {
        let refused = start(json!([{"sku": "small-1", "quantity": quantity}])).await.expect(400);
        assert_eq!(refused.faulty_fields(), ["items[0].quantity"], "{quantity}");
    }
    start(json!([{"sku": "small-1", "quantity": 999}])).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_dead_process_held_is_taken_over_and_an_old_one_starts_anew() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let first = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(201).json();
    // As a process leaves it that dies between the order and the answer.
    let dead =
        "UPDATE idempotency_keys SET response_status = NULL, response_body = NULL, locked_until = now() + ";
    shop.execute(&format!("{dead} interval '60 seconds'")).await;
    let running = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(409);
    assert_eq!(running.code(), "IDEMPOTENCY_IN_PROGRESS");
    shop.execute(&format!("{dead} interval '-1 seconds'")).await;
    let resumed = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(201);
    assert!(!resumed.headers.contains_key("idempotency-replayed"), "the answer is new, the order is not");
    assert_eq!(resumed.json()["order"]["number"], first["order"]["number"]);
    assert_eq!(resumed.json()["checkout"], first["checkout"], "one order has one Checkout Session");
    shop.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'").await;
    let anew = start_with_key(&shop, 0, &buyer, "key-1", &one_editor()).await.expect(201).json();
    assert_ne!(anew["order"]["number"], first["order"]["number"]);
    assert_eq!(shop.count("SELECT count(*) FROM orders").await, 2);
}
