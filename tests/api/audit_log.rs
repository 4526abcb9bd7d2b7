//! The audit log: who did what, in the transaction of what was done, and a chain in which every change shows.

use futures_util::future::join_all;
use primetech_actors::audit_log::verify::{self, Head, LogReport};
use primetech_actors::database::Database;
use primetech_actors::tenancy::registry;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, PASSWORD, Shop, Visitor, cookie_of, token_in, until};

async fn verified(shop: &Shop, slug: &str, earlier: Option<&Head>) -> LogReport {
    let database = Database::connect_lazy(&shop.database_url.as_str().into(), 1).unwrap();
    let scope = registry::find(&database, slug).await.unwrap().unwrap().scope();
    verify::run(&database, &scope, earlier).await.unwrap()
}

/// Waits until every entry is in a chain.
async fn sealed(shop: &Shop) {
    until("all is sealed", async || shop.count("SELECT count(*) FROM audit_unsealed").await == 0).await;
}

/// Does as a superuser who stops at nothing.
async fn tamper(shop: &Shop, sql: &str) {
    shop.execute(&format!(
        "SET session_replication_role = replica; {sql}; SET session_replication_role = origin"
    ))
    .await;
}

async fn codes(shop: &Shop) -> Vec<&'static str> {
    let report = verified(shop, "demo", None).await;
    assert_eq!(report.ok, report.findings.is_empty());
    report.findings.iter().map(|finding| finding.code).collect()
}

/// Actors and actions of what the log says of a request.
async fn of_request(shop: &Shop, request_id: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT split_part(actor, ':', 1) || ' ' || action || ' ' || coalesce(split_part(subject, ':', 1), '-')
         FROM audit_log WHERE request_id = $1 ORDER BY id",
    )
    .bind(request_id)
    .fetch_all(&shop.pool)
    .await
    .unwrap()
}

async fn call(
    shop: &Shop,
    id: &str,
    visitor: Option<&Visitor>,
    method: Method,
    path: &str,
    body: &Value,
) -> u16 {
    let cookie = visitor.map_or("", |visitor| visitor.cookie.as_str());
    let headers = [("content-type", "application/json"), ("x-request-id", id), ("cookie", cookie)];
    shop.send(0, method, DEMO, path, &headers, Some(body.to_string())).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_is_written_with_their_id_and_the_requests() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    let (post, patch) = (Method::POST, Method::PATCH);
    let login = json!({"email": user.email, "password": PASSWORD});
    let wrong = json!({"email": user.email, "password": "not the password"});
    let unknown = json!({"email": "nobody@example.com", "password": "not the password"});
    assert_eq!(call(&shop, "in", None, post.clone(), "/api/auth/login", &login).await, 200);
    assert_eq!(call(&shop, "wrong", None, post.clone(), "/api/auth/login", &wrong).await, 401);
    assert_eq!(call(&shop, "unknown", None, post.clone(), "/api/auth/login", &unknown).await, 401);
    assert_eq!(of_request(&shop, "in").await, ["user session.signed_in user"]);
    assert_eq!(of_request(&shop, "wrong").await, ["anonymous session.sign_in_failed user"]);
    assert_eq!(of_request(&shop, "unknown").await, ["anonymous session.sign_in_failed -"]);

    until("the mail is there", async || token_in(&shop, "verify-email").is_some()).await;
    let token = json!({"token": token_in(&shop, "verify-email").unwrap()});
    assert_eq!(call(&shop, "verify", None, post.clone(), "/api/auth/verify-email", &token).await, 200);
    assert_eq!(of_request(&shop, "verify").await, ["user user.email_verified user"]);

    let (_, key) = shop.buy_licence(&user).await;
    let device = json!({"licKey": key, "fingerprint": "device-one"});
    assert_eq!(call(&shop, "act", None, post.clone(), "/api/licences/activate", &device).await, 201);
    assert_eq!(call(&shop, "again", None, post.clone(), "/api/licences/activate", &device).await, 200);
    let mine = json!({"licKey": key});
    assert_eq!(call(&shop, "deact", Some(&user), post.clone(), "/api/licences/deactivate", &mine).await, 200);
    assert_eq!(of_request(&shop, "act").await, ["anonymous licence.activated licence"]);
    assert_eq!(of_request(&shop, "again").await, [""; 0], "nothing was changed");
    assert_eq!(of_request(&shop, "deact").await, ["user licence.deactivated licence"]);

    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    let booking = json!({"serviceSku": "call", "name": "Jane", "email": user.email});
    assert_eq!(call(&shop, "book", None, post.clone(), "/api/bookings", &booking).await, 201);
    assert_eq!(call(&shop, "book-in", Some(&user), post.clone(), "/api/bookings", &booking).await, 201);
    assert_eq!(of_request(&shop, "book").await, ["anonymous booking.created booking"]);
    assert_eq!(of_request(&shop, "book-in").await, ["user booking.created booking"]);
    let reference = shop.text("SELECT min(ref) FROM bookings").await;
    let path = format!("/api/admin/bookings/{reference}");
    let confirmed = json!({"status": "CONFIRMED"});
    assert_eq!(call(&shop, "move", Some(&admin), patch, &path, &confirmed).await, 200);
    assert_eq!(of_request(&shop, "move").await, ["user booking.status_changed booking"]);
    let release = shop.publish("demo", "icons", "1.0", "content").await;
    let upload = json!({"operation": "upload", "resource": {"type": "release", "id": release.id}});
    assert_eq!(call(&shop, "up", Some(&admin), post.clone(), "/api/storage/signed-url", &upload).await, 200);
    assert_eq!(of_request(&shop, "up").await, ["user release.upload_signed release"]);

    let reset = json!({"email": user.email});
    let (path, nobody) = ("/api/auth/request-password-reset", json!({"email": "nobody@example.com"}));
    assert_eq!(call(&shop, "ask", None, post.clone(), path, &reset).await, 202);
    assert_eq!(call(&shop, "ask-nobody", None, post.clone(), path, &nobody).await, 202);
    assert_eq!(of_request(&shop, "ask").await, ["anonymous user.password_reset_requested user"]);
    assert_eq!(of_request(&shop, "ask-nobody").await, ["anonymous user.password_reset_requested -"]);
    until("the mail is there", async || token_in(&shop, "reset-password").is_some()).await;
    let reset =
        json!({"token": token_in(&shop, "reset-password").unwrap(), "password": "another horse entirely"});
    assert_eq!(call(&shop, "reset", None, post.clone(), "/api/auth/reset-password", &reset).await, 204);
    assert_eq!(of_request(&shop, "reset").await, ["user user.password_reset user"]);
    assert_eq!(call(&shop, "out", Some(&admin), post, "/api/auth/logout", &json!({})).await, 204);
    assert_eq!(of_request(&shop, "out").await, ["user session.signed_out user"]);

    // By the product itself, on the provider's word.
    let system = "SELECT string_agg(action || coalesce(' ' || (before->>'status'), '') || ' ' || (after->>'status'), ', ' ORDER BY id)
                  FROM audit_log WHERE actor = 'system' AND action <> 'release.published'";
    let told = shop.text(system).await;
    assert!(
        told.contains("order.status_changed PENDING PAID") && told.contains("licence.issued ACTIVE"),
        "{told}"
    );

    sealed(&shop).await;
    let report = verified(&shop, "demo", None).await;
    assert!(report.ok && report.waiting == 0, "{report:?}");
    assert_eq!(report.sealed.cast_signed(), shop.count("SELECT count(*) FROM audit_log").await);
    let secrets =
        [user.email.as_str(), PASSWORD, &key, "device-one", "another horse", "Jane", "nobody@example.com"];
    let all = shop.text("SELECT string_agg(l::text, ' ') FROM audit_log l").await;
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_disputes_tell_what_became_of_the_licences() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let (started, _) = shop.buy_licence(&buyer).await;
    let intent = format!("pi_bought_{}", started["order"]["id"].as_str().unwrap());
    let dispute = json!({"id": "dp_1", "payment_intent": intent, "status": "needs_response"});
    shop.deliver(0, &crate::harness::event("charge.dispute.created", dispute)).await.expect(200);
    let refund = json!({"id": "ch_1", "payment_intent": intent, "refunded": true, "amount_refunded": 4900});
    shop.deliver(0, &crate::harness::event("charge.refunded", refund)).await.expect(200);
    let told = shop
        .text(
            "SELECT string_agg((before->>'status') || '>' || (after->>'status'), ' ' ORDER BY id)
             FROM audit_log WHERE action = 'licence.status_changed'",
        )
        .await;
    assert_eq!(told, "ACTIVE>SUSPENDED SUSPENDED>REVOKED");
    let part = json!({"id": "ch_2", "payment_intent": intent, "refunded": false, "amount_refunded": 100});
    shop.deliver(0, &crate::harness::event("charge.refunded", part)).await.expect(200);
    let of_payment = shop
        .text(
            "SELECT string_agg(action || coalesce(' ' || (after->>'amountRefunded'), '') || coalesce(' ' || (after->>'status'), ''),
                               ', ' ORDER BY id)
             FROM audit_log WHERE subject LIKE 'payment:%'",
        )
        .await;
    assert_eq!(
        of_payment, "payment.dispute_changed OPEN, payment.refunded 4900",
        "an older sum changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_a_removed_and_an_inserted_entry_are_found() {
    let shop = Shop::open_with(2).await;
    for _ in 0..4 {
        shop.register(DEMO).await;
    }
    sealed(&shop).await;
    assert_eq!(codes(&shop).await, [""; 0]);
    let third = "(SELECT entry_id FROM audit_chain WHERE position = 3)";

    tamper(&shop, &format!("CREATE TABLE kept AS SELECT * FROM audit_log WHERE id = {third}")).await;
    for change in [
        "actor = 'system'",
        "after = '{\"role\":\"ADMIN\"}'",
        "at = at + interval '1 microsecond'",
        "subject = NULL",
    ] {
        tamper(&shop, &format!("UPDATE audit_log SET {change} WHERE id = {third}")).await;
        assert_eq!(codes(&shop).await, ["CHANGED"], "{change}");
        tamper(
            &shop,
            &format!("DELETE FROM audit_log WHERE id = {third}; INSERT INTO audit_log SELECT * FROM kept"),
        )
        .await;
        assert_eq!(codes(&shop).await, [""; 0]);
    }
    // Its own hash made anew as well: the chain tells.
    tamper(
        &shop,
        &format!("UPDATE audit_log SET (at, actor, action, subject, request_id, hash, before, after) =
                  (SELECT o.at, o.actor, o.action, o.subject, o.request_id, o.hash, o.before, o.after FROM audit_log o
                   WHERE o.id = (SELECT entry_id FROM audit_chain WHERE position = 4)) WHERE id = {third}"),
    )
    .await;
    assert!(!codes(&shop).await.is_empty());
    tamper(&shop, &format!("DELETE FROM audit_log WHERE id = {third}")).await;
    assert_eq!(codes(&shop).await, ["REMOVED"]);
    tamper(&shop, "DELETE FROM audit_chain WHERE position = 3").await;
    assert_eq!(codes(&shop).await, ["REMOVED"]);
    tamper(
        &shop,
        "INSERT INTO audit_log SELECT tenant_id, gen_random_uuid(), at, actor, request_id, action, subject, before, after, hash
         FROM audit_log LIMIT 1",
    )
    .await;
    assert_eq!(codes(&shop).await, ["REMOVED", "INSERTED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_cut_off_is_found_with_a_head_kept_elsewhere() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        shop.register(DEMO).await;
    }
    sealed(&shop).await;
    let head = verified(&shop, "demo", None).await.head.unwrap();
    assert_eq!(head.position, 6);
    shop.register(DEMO).await;
    sealed(&shop).await;
    assert!(verified(&shop, "demo", Some(&head)).await.ok, "it is still a link");
    let other = Head { position: head.position, hash: "0".repeat(64) };
    assert_eq!(verified(&shop, "demo", Some(&other)).await.findings[0].code, "HEAD_DIFFERS");
    tamper(
        &shop,
        "DELETE FROM audit_log WHERE id IN (SELECT entry_id FROM audit_chain WHERE position > 5);
         DELETE FROM audit_chain WHERE position > 5",
    )
    .await;
    assert!(verified(&shop, "demo", None).await.ok, "the chain alone cannot know");
    assert_eq!(verified(&shop, "demo", Some(&head)).await.findings[0].code, "HEAD_DIFFERS");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_log_by_ordinary_means() {
    let shop = Shop::open().await;
    shop.register(DEMO).await;
    sealed(&shop).await;
    for sql in [
        "UPDATE audit_log SET actor = 'system'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "UPDATE audit_chain SET position = position + 1",
        "DELETE FROM audit_chain",
        "TRUNCATE audit_chain",
    ] {
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&shop.pool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
        let as_application = format!(
            "SET ROLE primetech_app; SET app.tenant_ids = '00000000-0000-7000-8000-000000000001'; {sql}"
        );
        let mut connection = shop.pool.acquire().await.unwrap().detach();
        let refused =
            sqlx::raw_sql(sqlx::AssertSqlSafe(as_application)).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{sql}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_have_chains_of_their_own_however_many_processes_seal() {
    let shop = Shop::open_with(3).await;
    let registered = join_all((0..24).map(|at| shop.register(if at % 2 == 0 { DEMO } else { ACME }))).await;
    let login = |visitor: &Visitor| json!({"email": visitor.email, "password": PASSWORD});
    let logins = registered.iter().enumerate().map(|(at, visitor)| {
        let (shop, body) = (&shop, login(visitor));
        async move { shop.post(at, visitor.host, "/api/auth/login", &body).await.expect(200) }
    });
    let cookies: Vec<String> = join_all(logins).await.iter().map(cookie_of).collect();
    assert_eq!(cookies.len(), 24);
    sealed(&shop).await;
    for slug in ["demo", "acme"] {
        let report = verified(&shop, slug, None).await;
        assert!(report.ok, "{report:?}");
        assert_eq!(report.sealed, 36, "{slug}");
        assert_eq!(report.head.unwrap().position, 36);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_written_with_its_work_or_not_at_all() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    let started = shop.check_out(&buyer, json!([{"sku": "editor", "quantity": 1}])).await;
    shop.execute(
        "ALTER TABLE audit_log ADD CONSTRAINT no_more CHECK (action <> 'order.status_changed') NOT VALID",
    )
    .await;
    let paid = shop.paid_event(&started, "pi");
    shop.deliver(0, &paid).await.expect(500);
    assert_eq!(
        shop.count("SELECT count(*) FROM orders WHERE status = 'PAID'").await,
        0,
        "nothing happens unseen"
    );
    shop.execute("ALTER TABLE audit_log DROP CONSTRAINT no_more; ALTER TABLE receipts ADD CONSTRAINT none CHECK (false)")
        .await;
    shop.deliver(0, &paid).await.expect(500);
    let told = "SELECT count(*) FROM audit_log WHERE action = 'order.status_changed'";
    assert_eq!(shop.count(told).await, 0, "nothing is told that did not happen");
    shop.execute("ALTER TABLE receipts DROP CONSTRAINT none").await;
    shop.deliver(0, &paid).await.expect(200);
    assert_eq!(shop.count(told).await, 1);
}
