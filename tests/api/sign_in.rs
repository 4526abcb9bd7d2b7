//! Signing in: which of several cookies counts, which sessions end, and what is the same address and password.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, DEMO, PASSWORD, Shop, Visitor, cookie_of, token_in, until};

async fn me(shop: &Shop, cookies: &[&str]) -> Answer {
    let headers: Vec<(&str, &str)> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
    shop.send(0, Method::GET, DEMO, "/api/auth/me", &headers, None).await
}

async fn log_in(shop: &Shop, cookie: &str, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password}).to_string();
    let headers = [("content-type", "application/json"), ("cookie", cookie)];
    shop.send(0, Method::POST, DEMO, "/api/auth/login", &headers, Some(body)).await
}

async fn has_ended(shop: &Shop, visitor: &Visitor) {
    let ended = async || shop.get_as(visitor, "/api/auth/me").await.status == 401;
    until("the session has ended", ended).await;
}

/// Of the form of a token, and nobody's.
fn invented(number: usize) -> String {
    format!("session={number:043}")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_session_cookies_the_valid_one_counts() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    let valid = visitor.cookie.as_str();
    for cookies in [
        format!("{}; {valid}", invented(1)),
        format!("{valid}; {}", invented(1)),
        format!("session=; session=x; {}; {}; {valid}; theme=dark", invented(1), invented(2)),
    ] {
        let user = me(&shop, &[&cookies]).await.expect(200).json()["user"].clone();
        assert_eq!(user["email"], visitor.email, "{cookies}");
    }
    me(&shop, &[&invented(1), valid]).await.expect(200);
    let many = (0..50).map(invented).collect::<Vec<_>>().join("; ");
    me(&shop, &[&format!("{valid}; {many}")]).await.expect(200);
    // So many are guesses, and each would be looked up.
    me(&shop, &[&format!("{many}; {valid}")]).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_other_cookies_disturb_nothing() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    let valid = visitor.cookie.as_bytes();
    for other in
        [&b"caf\xe9=\xe9"[..], b"name", b"=", b"a=b=c", b"a=\"b", b"a=%zz", b";;", b"session", b"\xff"]
    {
        for cookies in [[other, b"; ", valid].concat(), [valid, b";", other].concat()] {
            let answer = shop.get_with_cookies(DEMO, "/api/auth/me", &cookies).await.expect(200);
            assert_eq!(answer.json()["user"]["email"], visitor.email, "{cookies:?}");
        }
        shop.get_with_cookies(DEMO, "/api/auth/me", other).await.expect(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_ends_the_session_that_the_request_came_with() {
    let shop = Shop::open().await;
    let (visitor, other) = (shop.register(DEMO).await, shop.register(DEMO).await);
    let elsewhere = cookie_of(&log_in(&shop, "", &visitor.email, PASSWORD).await.expect(200));

    log_in(&shop, &visitor.cookie, &visitor.email, "not the right one").await.expect(401);
    shop.get_as(&visitor, "/api/auth/me").await.expect(200);

    let cookies = format!("{}; {}", visitor.cookie, other.cookie);
    let signed_in = log_in(&shop, &cookies, &visitor.email, PASSWORD).await.expect(200);
    has_ended(&shop, &visitor).await;
    has_ended(&shop, &other).await;
    me(&shop, &[&cookie_of(&signed_in)]).await.expect(200);
    me(&shop, &[&elsewhere]).await.expect(200);

    let body = json!({"email": "new@example.com", "password": PASSWORD}).to_string();
    let headers = [("content-type", "application/json"), ("cookie", elsewhere.as_str())];
    let registered = shop.send(0, Method::POST, DEMO, "/api/auth/register", &headers, Some(body)).await;
    let registered = registered.expect(201);
    has_ended(&shop, &Visitor { cookie: elsewhere, ..visitor.clone() }).await;
    assert_eq!(me(&shop, &[&cookie_of(&registered)]).await.json()["user"]["email"], "new@example.com");
    let told = "SELECT count(*) FROM audit_log WHERE action = 'session.signed_out'";
    assert_eq!(shop.count(told).await, 3, "the audit log has each session that ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_by_mail_clears_failed_logins_and_confirms_the_address() {
    let limits = [("RATE_LIMIT", "on"), ("RATE_LIMIT_AUTH", "1000"), ("RATE_LIMIT_LOGIN_FAILURES", "2")];
    let shop = Shop::open_as(1, &limits).await;
    let visitor = shop.register(DEMO).await;
    for _ in 0..2 {
        log_in(&shop, "", &visitor.email, "not the right one").await.expect(401);
    }
    log_in(&shop, "", &visitor.email, PASSWORD).await.expect(429);
    shop.post(0, DEMO, "/api/auth/request-password-reset", &json!({"email": visitor.email}))
        .await
        .expect(202);
    log_in(&shop, "", &visitor.email, PASSWORD).await.expect(429);
    until("the link is mailed", async || token_in(&shop, "/reset-password").is_some()).await;
    let new = "another horse, another staple";
    let body = json!({"token": token_in(&shop, "/reset-password"), "password": new});
    shop.post(0, DEMO, "/api/auth/reset-password", &body).await.expect(204);
    let user = log_in(&shop, "", &visitor.email, new).await.expect(200).json()["user"].clone();
    assert_eq!(user["emailVerified"], true, "who has the mailed link has the address");
    let told = |action: &str| format!("SELECT count(*) FROM audit_log WHERE action = 'user.{action}'");
    for action in ["password_reset", "email_verified"] {
        assert_eq!(shop.count(&told(action)).await, 1, "{action}");
    }
    // Failures count again, from none.
    for status in [401, 401, 429] {
        log_in(&shop, "", &visitor.email, "not the right one").await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_same_however_its_characters_are_composed() {
    let shop = Shop::open().await;
    let forms = ["\u{c9}t\u{e9} \u{e0} la plage 7", "E\u{301}te\u{301} a\u{300} la plage 7"];
    for (at, set) in forms.iter().enumerate() {
        let email = format!("jane{at}@example.com");
        let body = json!({"email": email, "password": set});
        shop.post(0, DEMO, "/api/auth/register", &body).await.expect(201);
        for given in forms {
            log_in(&shop, "", &email, given).await.expect(200);
        }
        log_in(&shop, "", &email, "Ete a la plage 7").await.expect(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blanks_around_an_address_are_trimmed() {
    let shop = Shop::open().await;
    let body = json!({"email": " \tJane@Example.com\u{a0}\n", "password": PASSWORD});
    let user = shop.post(0, DEMO, "/api/auth/register", &body).await.expect(201).json()["user"].clone();
    assert_eq!(user["email"], "jane@example.com");
    shop.post(0, DEMO, "/api/auth/register", &json!({"email": "jane@example.com", "password": PASSWORD}))
        .await
        .expect(409);
    log_in(&shop, "", "jane@example.com ", PASSWORD).await.expect(200);
    let booking = json!({"serviceSku": "call", "name": "Jane", "email": " jane@example.com"});
    let booking = shop.post(0, DEMO, "/api/bookings", &booking).await.expect(201).json()["booking"].clone();
    let path = format!(
        "/api/bookings/track?bkgRef={}&email=+JANE@example.com%20",
        booking["bkgRef"].as_str().unwrap()
    );
    let tracked = shop.send(0, Method::GET, DEMO, &path, &[], None).await.expect(200).json();
    assert_eq!(tracked["booking"]["email"], "jane@example.com");
    let inside = json!({"email": "jane @example.com", "password": PASSWORD});
    assert_eq!(
        shop.post(0, DEMO, "/api/auth/register", &inside).await.expect(400).faulty_fields(),
        ["email"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_at_one_process_clears_the_failed_logins_of_the_other_without_redis() {
    let limits = [("RATE_LIMIT", "on"), ("RATE_LIMIT_AUTH", "1000"), ("RATE_LIMIT_LOGIN_FAILURES", "2")];
    let shop = Shop::open_as(2, &limits).await;
    let visitor = shop.register(DEMO).await;
    let log_in = async |instance: usize, password: &str| {
        let body = json!({"email": visitor.email, "password": password});
        shop.post(instance, DEMO, "/api/auth/login", &body).await.status.as_u16()
    };
    for instance in [0, 1] {
        assert_eq!(log_in(instance, "not the right one").await, 401);
        assert_eq!(log_in(instance, "not the right one").await, 401);
        assert_eq!(log_in(instance, PASSWORD).await, 429);
    }
    shop.post(0, DEMO, "/api/auth/request-password-reset", &json!({"email": visitor.email}))
        .await
        .expect(202);
    until("the link is mailed", async || token_in(&shop, "/reset-password").is_some()).await;
    let token = token_in(&shop, "/reset-password").unwrap();
    let password = "another battery staple horse";
    shop.post(0, DEMO, "/api/auth/reset-password", &json!({"token": token, "password": password}))
        .await
        .expect(204);
    assert_eq!(log_in(0, password).await, 200);
    until("the other process has heard of it", async || log_in(1, password).await == 200).await;
}
