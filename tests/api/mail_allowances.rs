//! How many mails strangers can cause one recipient to get.

use reqwest::Method;
use serde_json::json;

use crate::harness::{ACME, DEMO, PASSWORD, Shop, until};

/// The limits of callers are others' subject.
const LIMITS: &[(&str, &str)] =
    &[("RATE_LIMIT", "on"), ("RATE_LIMIT_AUTH", "1000"), ("RATE_LIMIT_OTHER", "1000")];

const RESET: &str = "/api/auth/request-password-reset";

async fn book(shop: &Shop, instance: usize, host: &str, email: &str) -> String {
    let body = json!({"serviceSku": "call", "name": "Jane", "email": email});
    let made = shop.post(instance, host, "/api/bookings", &body).await.expect(201).json();
    assert_eq!(made["booking"]["email"], email.to_lowercase());
    made["booking"]["bkgRef"].as_str().unwrap().to_owned()
}

/// The mails to an address, once all have left.
async fn mails_to(shop: &Shop, email: &str) -> Vec<String> {
    let waiting = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'";
    until("all have left", async || shop.count(waiting).await == 0).await;
    let (bare, named) = (format!("To: {}", email.to_lowercase()), format!(" <{}>", email.to_lowercase()));
    let names = |line: &str| line == bare || (line.starts_with("To: ") && line.ends_with(&named));
    let is_to = |mail: &String| mail.lines().any(names);
    shop.mails().into_iter().filter(is_to).collect()
}

fn token_in(mail: &str) -> String {
    let rest = mail.split("reset-password?token=").nth(1).unwrap();
    rest.chars().take_while(|sign| sign.is_ascii_alphanumeric() || "-_".contains(*sign)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_is_mailed_three_resets_an_hour_and_the_last_link_stays_valid() {
    let shop = Shop::open_as(1, LIMITS).await;
    let user = shop.register(DEMO).await;
    let mut answers = Vec::new();
    let mut tokens = Vec::new();
    for number in 0..6 {
        answers.push(shop.post(0, DEMO, RESET, &json!({"email": user.email})).await.expect(202).text);
        let resets =
            mails_to(&shop, &user.email).await.iter().filter(|mail| mail.contains("a new password")).count();
        assert_eq!(resets, (number + 1).min(3));
        for mail in mails_to(&shop, &user.email).await.iter().filter(|mail| mail.contains("a new password")) {
            let token = token_in(mail);
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
    }
    assert!(answers.iter().all(|answer| answer == "{}"), "{answers:?}");
    let [first, second, third] = tokens.as_slice() else { panic!("{tokens:?}") };
    let reset = async |token: &str| {
        let body = json!({"token": token, "password": "another battery staple horse"});
        shop.post(0, DEMO, "/api/auth/reset-password", &body).await
    };
    for ended in [first, second] {
        assert_eq!(reset(ended).await.expect(400).code(), "INVALID_TOKEN");
    }
    reset(third).await.expect(204);
    // An hour later.
    shop.execute("UPDATE mail_allowances SET at = at - interval '1 hour'").await;
    shop.post(0, DEMO, RESET, &json!({"email": user.email})).await.expect(202);
    assert_eq!(mails_to(&shop, &user.email).await.len(), 5, "a verification and four resets");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_an_account_is_not_counted() {
    let shop = Shop::open_as(1, LIMITS).await;
    let user = shop.register(DEMO).await;
    for _ in 0..4 {
        shop.post(0, ACME, RESET, &json!({"email": user.email})).await.expect(202);
    }
    shop.post(0, DEMO, RESET, &json!({"email": user.email})).await.expect(202);
    assert_eq!(mails_to(&shop, &user.email).await.len(), 2, "a verification and a reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_is_told_of_three_new_bookings_an_hour_by_all_tenants_together() {
    let shop = Shop::open_as(2, LIMITS).await;
    let mut references = Vec::new();
    for (number, host) in [DEMO, ACME, DEMO, ACME, DEMO].into_iter().enumerate() {
        let email = if number % 2 == 0 { "Jane@Example.com" } else { "jane@example.com" };
        references.push(book(&shop, number, host, email).await);
    }
    book(&shop, 0, DEMO, "jane+work@example.com").await;
    assert_eq!(mails_to(&shop, "jane@example.com").await.len(), 3);
    assert_eq!(mails_to(&shop, "jane+work@example.com").await.len(), 1, "another recipient");
    // What the shop's staff changes is told all the same, also of those that were not told of.
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let headers = [("content-type", "application/json"), ("cookie", admin.cookie.as_str())];
    for reference in [&references[0], &references[2], &references[4]] {
        for status in ["CONFIRMED", "IN_PROGRESS"] {
            let path = format!("/api/admin/bookings/{reference}");
            let body = json!({ "status": status }).to_string();
            shop.send(0, Method::PATCH, DEMO, &path, &headers, Some(body)).await.expect(200);
        }
    }
    assert_eq!(mails_to(&shop, "jane@example.com").await.len(), 3 + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_bookings_at_once_by_several_processes_three_are_mailed() {
    let shop = Shop::open_as(2, LIMITS).await;
    let bookings = (0..24).map(|number| book(&shop, number, DEMO, "jane@example.com"));
    futures_util::future::join_all(bookings).await;
    assert_eq!(mails_to(&shop, "jane@example.com").await.len(), 3);
    assert_eq!(shop.count("SELECT count(*) FROM bookings").await, 24);
    assert_eq!(shop.count("SELECT count(*) FROM mail_allowances").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_gets_twenty_mails_of_all_sorts_an_hour() {
    let shop = Shop::open_as(1, LIMITS).await;
    let user = shop.register(DEMO).await;
    // As many as leave room for one, of sorts that others may add.
    shop.execute(
        "INSERT INTO mail_allowances (id, recipient, sort, at)
         SELECT gen_random_uuid(), recipient, 'other-' || n, at FROM mail_allowances, generate_series(1, 18) n",
    )
    .await;
    book(&shop, 0, DEMO, &user.email).await;
    book(&shop, 0, DEMO, &user.email).await;
    shop.post(0, DEMO, RESET, &json!({"email": user.email})).await.expect(202);
    assert_eq!(mails_to(&shop, &user.email).await.len(), 2, "a verification and a booking");
    assert_eq!(shop.count("SELECT count(*) FROM password_reset_tokens").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_opened_for_an_address_that_had_enough_works_without_the_mail() {
    let shop = Shop::open_as(1, LIMITS).await;
    let email = "jane@example.com";
    let body = json!({"email": email, "password": PASSWORD});
    // The same address at two tenants, and twice more at others.
    shop.post(0, DEMO, "/api/auth/register", &body).await.expect(201);
    shop.execute(
        "INSERT INTO mail_allowances (id, recipient, sort, at)
         SELECT gen_random_uuid(), recipient, sort, at FROM mail_allowances, generate_series(1, 2)",
    )
    .await;
    shop.post(0, ACME, "/api/auth/register", &body).await.expect(201);
    shop.post(0, ACME, "/api/auth/login", &body).await.expect(200);
    assert_eq!(mails_to(&shop, email).await.len(), 1);
    assert_eq!(shop.count("SELECT count(*) FROM email_verification_tokens").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rate_limits_every_mail_leaves() {
    let shop = Shop::open().await;
    for _ in 0..5 {
        book(&shop, 0, DEMO, "jane@example.com").await;
    }
    assert_eq!(mails_to(&shop, "jane@example.com").await.len(), 5);
    assert_eq!(shop.count("SELECT count(*) FROM mail_allowances").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_transaction_sees_no_recipients_but_those_that_it_names() {
    let shop = Shop::open_as(1, LIMITS).await;
    book(&shop, 0, DEMO, "jane@example.com").await;
    book(&shop, 0, DEMO, "joe@example.com").await;
    let named = "SELECT encode(recipient, 'hex') FROM mail_allowances ORDER BY at LIMIT 1";
    let named = shop.text(named).await;
    let mut transaction = shop.pool.begin().await.unwrap();
    sqlx::raw_sql(
        "SET LOCAL ROLE primetech_app; SET LOCAL app.tenant_ids = '00000000-0000-7000-8000-000000000001'",
    )
    .execute(&mut *transaction)
    .await
    .unwrap();
    for (recipients, seen) in [("", 0), (named.as_str(), 1)] {
        sqlx::query("SELECT set_config('app.mail_recipients', $1, true)")
            .bind(recipients)
            .execute(&mut *transaction)
            .await
            .unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM mail_allowances")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(rows, seen);
    }
    let taken = sqlx::query("DELETE FROM mail_allowances").execute(&mut *transaction).await.unwrap();
    assert_eq!(taken.rows_affected(), 0, "nor does it take any away");
}

#[tokio::test(flavor = "multi_thread")]
async fn bookings_are_counted_with_the_calls_that_send_mail() {
    let shop = Shop::open_as(1, &[("RATE_LIMIT", "on"), ("RATE_LIMIT_AUTH", "3")]).await;
    book(&shop, 0, DEMO, "jane@example.com").await;
    book(&shop, 0, DEMO, "joe@example.com").await;
    shop.post(0, DEMO, RESET, &json!({"email": "jane@example.com"})).await.expect(202);
    let body = json!({"serviceSku": "call", "name": "Jane", "email": "jim@example.com"});
    let refused = shop.post(0, DEMO, "/api/bookings", &body).await.expect(429);
    assert_eq!(refused.code(), "RATE_LIMITED");
    assert!(refused.headers["ratelimit-policy"].to_str().unwrap().starts_with("\"auth\";q=3;w=900"));
    let track = "/api/bookings/track?bkgRef=BKG-00000000&email=jane@example.com";
    shop.send(0, Method::GET, DEMO, track, &[], None).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn free_orders_of_an_address_that_nobody_confirmed_are_mailed_three_times_an_hour() {
    let shop = Shop::open_as(1, LIMITS).await;
    shop.execute("UPDATE products SET unit_amount = 0 WHERE sku = 'editor'").await;
    let buyer = shop.register(DEMO).await;
    let receipts =
        async |email: &str| mails_to(&shop, email).await.iter().filter(|mail| mail.contains("RCP-")).count();
    let order = async |number: u32| {
        let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
        shop.deliver(0, &shop.paid_event(&started, &format!("pi_{number}"))).await.expect(200);
    };
    for number in 0..5 {
        order(number).await;
    }
    assert_eq!(shop.count("SELECT count(*) FROM receipts").await, 5, "each is paid all the same");
    assert_eq!(receipts(&buyer.email).await, 3);
    // Who has shown that the address is theirs is told of each.
    shop.execute("UPDATE users SET email_verified_at = now()").await;
    order(5).await;
    assert_eq!(receipts(&buyer.email).await, 4);
}
