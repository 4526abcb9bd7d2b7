//! Accounts and sessions.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, DEMO, PASSWORD, Shop, Visitor, cookie_of, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_unique_per_tenant_whatever_its_case() {
    let shop = Shop::open_with(2).await;
    let body = json!({"email": "Jane@Example.com", "password": PASSWORD});
    let same = json!({"email": "jane@example.COM", "password": PASSWORD});
    let (one, other) = tokio::join!(
        shop.post(0, DEMO, "/api/auth/register", &body),
        shop.post(1, DEMO, "/api/auth/register", &same)
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let refused = if one.status == 409 { one } else { other };
    assert_eq!(refused.code(), "EMAIL_TAKEN");
    shop.post(0, ACME, "/api/auth/register", &body).await.expect(201);
    let user = shop.post(0, DEMO, "/api/auth/login", &body).await.expect(200).json()["user"].clone();
    assert_eq!((&user["email"], &user["role"]), (&json!("jane@example.com"), &json!("CUSTOMER")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_registration_is_named() {
    let shop = Shop::open().await;
    let body = json!({"email": "nobody", "password": "short", "name": "a\r\nb"});
    let answer = shop.post(0, DEMO, "/api/auth/register", &body).await.expect(400);
    assert_eq!(answer.faulty_fields(), ["email", "name", "password"]);
    for weak in ["password123", "jane@example.com", "1234567890"] {
        let body = json!({"email": "jane@example.com", "password": weak});
        let answer = shop.post(0, DEMO, "/api/auth/register", &body).await.expect(400);
        assert_eq!(answer.faulty_fields(), ["password"], "{weak}");
    }
    assert_eq!(shop.count("SELECT count(*) FROM users").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    let wrong = json!({"email": user.email, "password": "not the right one"});
    let unknown = json!({"email": "nobody@example.com", "password": PASSWORD});
    let elsewhere = json!({"email": user.email, "password": PASSWORD});
    let wrong = shop.post(0, DEMO, "/api/auth/login", &wrong).await.expect(401);
    let unknown = shop.post(0, DEMO, "/api/auth/login", &unknown).await.expect(401);
    let elsewhere = shop.post(0, ACME, "/api/auth/login", &elsewhere).await.expect(401);
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    assert_eq!(wrong.without_request_id(), unknown.without_request_id());
    assert_eq!(wrong.without_request_id(), elsewhere.without_request_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_in_every_instance_when_its_user_signs_out() {
    let shop = Shop::open_with(2).await;
    let user = shop.register(DEMO).await;
    // Both instances have seen it, so both have it cached.
    for instance in 0..2 {
        shop.get_from(instance, &user, "/api/auth/me").await.expect(200);
    }
    let headers = [("cookie", user.cookie.as_str())];
    let out = shop.send(0, Method::POST, DEMO, "/api/auth/logout", &headers, None).await.expect(204);
    assert!(out.headers["set-cookie"].to_str().unwrap().starts_with("session=;"));
    let ended = async || {
        shop.get_from(0, &user, "/api/auth/me").await.status == 401
            && shop.get_from(1, &user, "/api/auth/me").await.status == 401
    };
    until("the session has ended everywhere", ended).await;
    shop.send(0, Method::POST, DEMO, "/api/auth/logout", &[], None).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_for_its_own_tenant_only() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    let headers = [("cookie", user.cookie.as_str())];
    let answer = shop.send(0, Method::GET, ACME, "/api/auth/me", &headers, None).await.expect(401);
    assert_eq!(answer.code(), "AUTH_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_protected_and_only_a_hash_is_stored() {
    let shop = Shop::open().await;
    let body = json!({"email": "jane@example.com", "password": PASSWORD});
    let answer = shop.post(0, DEMO, "/api/auth/register", &body).await.expect(201);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for attribute in ["HttpOnly", "Path=/", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let token = cookie_of(&answer).replace("session=", "");
    assert_eq!(token.len(), 43, "256 bits in base64url");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let stored = shop.text("SELECT s::text FROM sessions s").await;
    assert!(bytes.len() == 32 && !stored.contains(&token) && !stored.contains(&hex), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_is_none() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    shop.execute("UPDATE sessions SET expires_at = now() - interval '1 second'").await;
    shop.get_as(&user, "/api/auth/me").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_set_as_configured() {
    for (secure, same_site, expected) in [("true", "NONE", "None"), ("false", "strict", "Strict")] {
        let shop = Shop::open_as(1, &[("COOKIE_SECURE", secure), ("COOKIE_SAMESITE", same_site)]).await;
        let body = json!({"email": "jane@example.com", "password": PASSWORD});
        let answer = shop.post(0, DEMO, "/api/auth/register", &body).await.expect(201);
        let headers = [("cookie", cookie_of(&answer))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let out = shop.send(0, Method::POST, DEMO, "/api/auth/logout", &headers, None).await.expect(204);
        for answer in [&answer, &out] {
            let cookie = answer.headers["set-cookie"].to_str().unwrap();
            let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
            assert_eq!(attributes.contains(&"Secure"), secure == "true", "{cookie}");
            assert!(attributes.contains(&format!("SameSite={expected}").as_str()), "{cookie}");
            assert!(attributes.contains(&"HttpOnly") && attributes.contains(&"Path=/"), "{cookie}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_is_told_with_the_shop() {
    let shop = Shop::open().await;
    let body = json!({"email": "Jane@Example.com", "password": PASSWORD, "name": "Jane"});
    let registered = shop.post(0, ACME, "/api/auth/register", &body).await.expect(201);
    let visitor =
        Visitor { host: ACME, cookie: cookie_of(&registered), email: "jane@example.com".to_owned() };
    let me = shop.get_as(&visitor, "/api/auth/me").await.expect(200).json();
    let tenant = json!({"id": "00000000-0000-7000-8000-000000000002", "slug": "acme", "name": "Acme"});
    assert_eq!(me, json!({"user": registered.json()["user"], "tenant": tenant}));
    let user = &me["user"];
    assert_eq!((&user["email"], &user["name"]), (&json!("jane@example.com"), &json!("Jane")));
    assert_eq!((&user["role"], &user["emailVerified"]), (&json!("CUSTOMER"), &json!(false)));
    let nobody = shop.send(0, Method::GET, ACME, "/api/auth/me", &[], None).await.expect(401);
    assert_eq!(nobody.code(), "AUTH_REQUIRED");
}

/// The shortest of several times: what else the machine does can only lengthen one.
async fn shortest(shop: &Shop, path: &str, bodies: [&Value; 2], status: u16) -> [Duration; 2] {
    let mut shortest = [Duration::MAX; 2];
    for _ in 0..12 {
        for (body, shortest) in bodies.iter().zip(&mut shortest) {
            let begun = Instant::now();
            shop.post(0, DEMO, path, body).await.expect(status);
            *shortest = begun.elapsed().min(*shortest);
        }
    }
    shortest
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_takes_as_long_as_a_known_one() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    let known = json!({"email": user.email, "password": "not the right one"});
    let unknown = json!({"email": "nobody@example.com", "password": "not the right one"});
    for (path, status) in [("/api/auth/login", 401), ("/api/auth/request-password-reset", 202)] {
        let [known, unknown] = shortest(&shop, path, [&known, &unknown], status).await;
        let ratio = known.as_secs_f64() / unknown.as_secs_f64();
        assert!((0.6..1.7).contains(&ratio), "{path}: {known:?} and {unknown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_could_never_be_set_is_just_a_wrong_one() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    for password in ["x", "short", &"x".repeat(129)] {
        let body = json!({"email": user.email, "password": password});
        let answer = shop.post(0, DEMO, "/api/auth/login", &body).await.expect(401);
        assert_eq!(answer.code(), "INVALID_CREDENTIALS");
    }
}
