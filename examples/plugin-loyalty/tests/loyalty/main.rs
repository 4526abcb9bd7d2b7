//! The plug-in in the running product, over HTTP and by its commands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod composition;
mod harness;

use reqwest::Method;
use serde_json::{Value, json};

use harness::{ACME, DEMO, Shop, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_earns_points_once_and_its_customer_is_told() {
    let shop = Shop::open().await;
    let jane = shop.register(DEMO).await;
    assert_eq!(shop.points(&jane).await, json!({"points": 0, "entries": []}));
    // Each event is sent twice.
    let paid = shop.buy(&jane).await;
    let points = shop.points(&jane).await;
    assert_eq!(points["points"], 49, "for each whole dollar of 49.50");
    assert_eq!(points["entries"].as_array().unwrap().len(), 1);
    let entry = &points["entries"][0];
    assert_eq!(
        (&entry["kind"], &entry["points"], &entry["remaining"]),
        (&json!("EARNED"), &json!(49), &json!(49))
    );
    assert!(entry["orderId"].is_string() && entry["expiresAt"].is_string());
    for event in paid["events"].as_array().unwrap() {
        let id = event["id"].as_str().unwrap();
        shop.stand_in(&format!("events/{id}/redeliver"), &json!({})).await;
    }
    assert_eq!(shop.points(&jane).await, points, "what is paid again earns nothing");
    let told = async || shop.mails().iter().any(|mail| mail.contains("you have earned 49 points"));
    until("the mail is there", told).await;
    let mails = shop.mails();
    let about: Vec<&String> = mails.iter().filter(|mail| mail.contains("earned 49 points")).collect();
    assert_eq!(about.len(), 1);
    assert!(about[0].contains(&jane.email) && about[0].contains("Subject: Demo: "), "{}", about[0]);
    shop.buy(&jane).await;
    assert_eq!(shop.points(&jane).await["points"], 98);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_the_points() {
    let shop = Shop::open().await;
    let jane = shop.register(DEMO).await;
    shop.buy(&jane).await;
    for other in [shop.register(DEMO).await, shop.register(ACME).await] {
        assert_eq!(shop.points(&other).await["points"], 0);
        let refused = shop.redeem(&other, 1, None).await.expect(409);
        assert_eq!(refused["error"]["code"], "LOYALTY_NOT_ENOUGH_POINTS");
    }
    let at_acme = [("cookie", jane.cookie.as_str())];
    shop.ask(Method::GET, ACME, "/api/loyalty/points", &at_acme, None).await.expect(401);
    shop.ask(Method::GET, DEMO, "/api/loyalty/points", &[], None).await.expect(401);
    let mut tx = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL ROLE primetech_app").execute(&mut *tx).await.unwrap();
    let count = "SELECT count(*) FROM loyalty_points, set_config('app.tenant_ids', '', true)";
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(seen, 0, "no tenant is open");
    for (tenant, expected) in [(2, 0), (1, 1)] {
        let id = format!("00000000-0000-7000-8000-00000000000{tenant}");
        sqlx::query("SELECT set_config('app.tenant_ids', $1, true)")
            .bind(id)
            .execute(&mut *tx)
            .await
            .unwrap();
        let seen: i64 =
            sqlx::query_scalar("SELECT count(*) FROM loyalty_points").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(seen, expected, "of tenant {tenant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_redeemed_once_for_a_key_and_never_below_zero() {
    let shop = Shop::open().await;
    let jane = shop.register(DEMO).await;
    shop.buy(&jane).await;
    let first = shop.redeem(&jane, 40, Some("cart-1")).await;
    let again = shop.redeem(&jane, 40, Some("cart-1")).await;
    assert_eq!((first.replayed, again.replayed), (false, true));
    let redemption = first.expect(201);
    assert_eq!(again.expect(201), redemption);
    assert_eq!(
        (&redemption["redemption"]["points"], &redemption["redemption"]["balance"]),
        (&json!(40), &json!(9))
    );
    let reused = shop.redeem(&jane, 1, Some("cart-1")).await.expect(422);
    assert_eq!(reused["error"]["code"], "IDEMPOTENCY_KEY_REUSED");
    let faulty = shop.redeem(&jane, 0, None).await.expect(400);
    assert!(faulty["error"]["details"]["fieldErrors"]["points"].is_array(), "{faulty}");
    // Nine points are enough for one of these.
    let raced = tokio::join!(
        shop.redeem(&jane, 5, None),
        shop.redeem(&jane, 5, None),
        shop.redeem(&jane, 5, None),
        shop.redeem(&jane, 5, None)
    );
    let mut statuses = [raced.0, raced.1, raced.2, raced.3].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    let points = shop.points(&jane).await;
    assert_eq!(points["points"], 4);
    let entries = points["entries"].as_array().unwrap();
    let shown: Vec<(&Value, &Value)> =
        entries.iter().map(|entry| (&entry["kind"], &entry["points"])).collect();
    assert_eq!(json!(shown), json!([["REDEEMED", -5], ["REDEEMED", -40], ["EARNED", 49]]));
    let audited: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_log WHERE action LIKE 'loyalty.%'")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(audited, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_whose_time_is_over_expire() {
    let shop = Shop::open().await;
    let jane = shop.register(DEMO).await;
    shop.buy(&jane).await;
    shop.buy(&jane).await;
    assert_eq!(composition::expire(&shop.database_url), [0, 0], "no time is over");
    sqlx::raw_sql(
        "UPDATE loyalty_points SET expires_at = now() - interval '1 minute'
         WHERE id = (SELECT id FROM loyalty_points ORDER BY created_at LIMIT 1)",
    )
    .execute(&shop.pool)
    .await
    .unwrap();
    assert_eq!(shop.points(&jane).await["points"], 49, "also before the worker's turn");
    shop.redeem(&jane, 50, None).await.expect(409);
    let expired = composition::expire(&shop.database_url);
    assert_eq!(expired.iter().sum::<u64>(), 1, "one of two that look at the same time");
    let row: (i64, i64, i64) =
        sqlx::query_as("SELECT points, remaining, expired FROM loyalty_points ORDER BY created_at LIMIT 1")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!(row, (49, 0, 49));
    assert_eq!(shop.points(&jane).await["points"], 49);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_a_command_finds_earns_points_too() {
    let shop = Shop::open().await;
    let jane = shop.register(DEMO).await;
    shop.stand_in("mode", &json!({"webhooks": "hold"})).await;
    shop.buy(&jane).await;
    assert_eq!(shop.points(&jane).await["points"], 0);
    let ran = shop.run(&["reconcile"], &[("LOYALTY_POINTS_PER_UNIT", "2")]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(shop.points(&jane).await["points"], 98, "as the command's own settings say");
    let shown = shop.run(&["loyalty", "show", "--tenant", "demo", "--email", &jane.email, "--json"], &[]);
    let document: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(document["points"], 98, "{shown:?}");
    let text = shop.run(&["loyalty", "show", "--tenant", "demo", "--email", &jane.email], &[]);
    assert!(String::from_utf8(text.stdout).unwrap().starts_with("points  98\n"));
    let elsewhere = shop.run(&["loyalty", "show", "--tenant", "acme", "--email", &jane.email], &[]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(elsewhere.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_the_plugins_endpoints() {
    let shop = Shop::open().await;
    let document = shop.ask(Method::GET, DEMO, "/openapi.json", &[], None).await.expect(200);
    assert!(document["paths"]["/api/loyalty/points"]["get"]["responses"]["200"].is_object());
    let refused = &document["paths"]["/api/loyalty/redeem"]["post"]["responses"]["409"];
    assert!(refused.to_string().contains("LOYALTY_NOT_ENOUGH_POINTS"), "{refused}");
    let ready = shop.ask(Method::GET, DEMO, "/ready", &[], None).await;
    assert_eq!(ready.status.as_u16(), 200);
    sqlx::raw_sql("DELETE FROM _migrations_loyalty").execute(&shop.pool).await.unwrap();
    // A process that was ready stays so; one that starts now is not.
    assert_eq!(shop.ask(Method::GET, DEMO, "/ready", &[], None).await.status.as_u16(), 200);
}
