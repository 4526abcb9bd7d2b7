//! Mailed tokens: one use, for a time, for one tenant, the newest only; and one text for all that are not good.

use serde_json::{Value, json};

use crate::harness::{ACME, Answer, DEMO, PASSWORD, Shop, Visitor, token_in, until};

const NEW_PASSWORD: &str = "another horse, another staple";

/// The tokens of all mails of a kind, in no order.
async fn mailed(shop: &Shop, page: &str, count: usize) -> Vec<String> {
    let all = || shop.mails().iter().filter(|mail| mail.contains(page)).count();
    until("the link is mailed", async || all() == count).await;
    let tokens = shop.mails().into_iter().filter(|mail| mail.contains(page));
    tokens.map(|mail| mail.split(page).nth(1).unwrap()["?token=".len()..][..43].to_owned()).collect()
}

async fn verify(shop: &Shop, host: &str, token: &str) -> Answer {
    shop.post(0, host, "/api/auth/verify-email", &json!({"token": token})).await
}

async fn reset(shop: &Shop, host: &str, token: &str) -> Answer {
    let body = json!({"token": token, "password": NEW_PASSWORD});
    shop.post(0, host, "/api/auth/reset-password", &body).await
}

async fn ask_for_reset(shop: &Shop, visitor: &Visitor) {
    let body = json!({"email": visitor.email});
    assert_eq!(
        shop.post(0, visitor.host, "/api/auth/request-password-reset", &body).await.expect(202).text,
        "{}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_used_foreign_and_unknown_tokens_get_the_same_bytes() {
    let shop = Shop::open().await;
    let (used, old) = (shop.register(DEMO).await, shop.register(DEMO).await);
    let _foreigner = shop.register(ACME).await;
    let verifications = mailed(&shop, "/verify-email", 3).await;
    for visitor in [&used, &old] {
        ask_for_reset(&shop, visitor).await;
    }
    let resets = mailed(&shop, "/reset-password", 2).await;
    let unknown = "A".repeat(43);
    let mut refused: Vec<Value> = Vec::new();
    let mut refuse = |answer: Answer| refused.push(answer.expect(400).without_request_id());

    // Each is taken once where it belongs, and only there.
    let mut taken = 0;
    for token in &verifications {
        let (here, there) = (verify(&shop, DEMO, token).await, verify(&shop, ACME, token).await);
        assert_eq!(u8::from(here.status == 200) + u8::from(there.status == 200), 1);
        taken += 1;
        refuse(if here.status == 200 { there } else { here });
        refuse(verify(&shop, DEMO, token).await);
        refuse(verify(&shop, ACME, token).await);
    }
    assert_eq!(taken, 3);
    refuse(verify(&shop, DEMO, &unknown).await);
    refuse(verify(&shop, DEMO, &resets[0]).await); // of the other kind
    refuse(reset(&shop, ACME, &resets[0]).await);
    refuse(reset(&shop, DEMO, &verifications[0]).await);
    refuse(reset(&shop, DEMO, &unknown).await);
    reset(&shop, DEMO, &resets[0]).await.expect(204);
    refuse(reset(&shop, DEMO, &resets[0]).await);
    shop.execute("UPDATE password_reset_tokens SET expires_at = now() - interval '1 second'").await;
    refuse(reset(&shop, DEMO, &resets[1]).await);
    assert_eq!(refused[0]["error"]["code"], "INVALID_TOKEN");
    assert!(refused.iter().all(|other| *other == refused[0]), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_token_ends_the_older_one() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    ask_for_reset(&shop, &visitor).await;
    let first = mailed(&shop, "/reset-password", 1).await;
    ask_for_reset(&shop, &visitor).await;
    let both = mailed(&shop, "/reset-password", 2).await;
    reset(&shop, DEMO, &first[0]).await.expect(400);
    let second = both.iter().find(|token| **token != first[0]).unwrap();
    reset(&shop, DEMO, second).await.expect(204);
    let body = |password: &str| json!({"email": visitor.email, "password": password});
    shop.post(0, DEMO, "/api/auth/login", &body(PASSWORD)).await.expect(401);
    shop.post(0, DEMO, "/api/auth/login", &body(NEW_PASSWORD)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_new_password_is_a_field_error_and_leaves_the_token_good() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    ask_for_reset(&shop, &visitor).await;
    let token = mailed(&shop, "/reset-password", 1).await.remove(0);
    let local_part = visitor.email.split('@').next().unwrap();
    for weak in ["short", "password123", &visitor.email, &format!("my {local_part} 2031")] {
        let body = json!({"token": token, "password": weak});
        let refused = shop.post(0, DEMO, "/api/auth/reset-password", &body).await.expect(400);
        assert_eq!(
            (refused.code().as_str(), refused.faulty_fields()),
            ("VALIDATION_ERROR", vec!["password".into()])
        );
    }
    // Nobody learns whose token it might be from one that is not good.
    let body = json!({"token": "A".repeat(43), "password": visitor.email});
    let refused = shop.post(0, DEMO, "/api/auth/reset-password", &body).await.expect(400);
    assert_eq!(refused.code(), "INVALID_TOKEN");
    reset(&shop, DEMO, &token).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_last_a_day_and_an_hour_and_are_stored_as_hashes() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    ask_for_reset(&shop, &visitor).await;
    let tokens =
        [mailed(&shop, "/verify-email", 1).await, mailed(&shop, "/reset-password", 1).await].concat();
    for (table, seconds) in [("email_verification_tokens", "86400"), ("password_reset_tokens", "3600")] {
        let lasts = format!("SELECT extract(epoch FROM expires_at - created_at)::int::text FROM {table}");
        assert_eq!(shop.text(&lasts).await, seconds);
        let stored = shop.text(&format!("SELECT t::text FROM {table} t")).await;
        assert!(tokens.iter().all(|token| !stored.contains(token)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_use_a_token_once() {
    let shop = Shop::open_with(2).await;
    let visitor = shop.register(DEMO).await;
    ask_for_reset(&shop, &visitor).await;
    let token = mailed(&shop, "/reset-password", 1).await.remove(0);
    let body = json!({"token": token, "password": NEW_PASSWORD});
    let calls = (0..8).map(|at| shop.post(at, DEMO, "/api/auth/reset-password", &body));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 7);
    assert!(token_in(&shop, "/reset-password").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_mailed_nothing_and_told_the_same() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    let ask = async |email: &str| {
        shop.post(0, DEMO, "/api/auth/request-password-reset", &json!({"email": email})).await.expect(202)
    };
    let unknown = ask("nobody@example.com").await;
    let known = ask(&visitor.email).await;
    assert_eq!(unknown.text, known.text);
    mailed(&shop, "/reset-password", 1).await;
    // As much is written for either, so that the time does not tell; what is for nobody is dropped at delivery.
    let (all, left) =
        ("SELECT count(*) FROM outbox_messages WHERE topic = 'mail.reset-password'", " AND status <> 'SENT'");
    assert_eq!(shop.count(all).await, 2);
    until("both are dealt with", async || shop.count(&format!("{all}{left}")).await == 0).await;
    assert!(!shop.mails().iter().any(|mail| mail.contains("nobody@example.com")));
    assert_eq!(shop.count("SELECT count(*) FROM password_reset_tokens").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verification_mail_is_sent_again_and_the_answer_is_always_the_same() {
    let shop = Shop::open().await;
    let (visitor, verified) = (shop.register(DEMO).await, shop.register(DEMO).await);
    shop.register(ACME).await;
    let first = mailed(&shop, "/verify-email", 3).await;
    shop.execute(&format!("UPDATE users SET email_verified_at = now() WHERE email = '{}'", verified.email))
        .await;
    let ask = async |host: &str, email: &str| {
        let body = json!({"email": email});
        let answer = shop.post(0, host, "/v1/auth/resend-verification", &body).await.expect(202);
        assert_eq!(answer.text, "{}");
    };
    ask(DEMO, &verified.email).await;
    ask(DEMO, "nobody@example.com").await;
    ask(ACME, &visitor.email).await;
    ask(DEMO, &format!(" {} ", visitor.email.to_uppercase())).await;
    // As much is written for each, so that the time does not tell; what is for nobody is dropped at delivery.
    let (all, left) =
        ("SELECT count(*) FROM outbox_messages WHERE topic = 'mail.verify-email'", " AND status <> 'SENT'");
    assert_eq!(shop.count(all).await, 3 + 4);
    assert_eq!(
        shop.count("SELECT count(*) FROM audit_log WHERE action = 'user.verification_requested'").await,
        4
    );
    until("all are dealt with", async || shop.count(&format!("{all}{left}")).await == 0).await;
    let tokens = mailed(&shop, "/verify-email", 4).await;
    let newest = tokens.iter().find(|token| !first.contains(token)).unwrap();
    // The newer link ends the older one.
    let alive = "SELECT count(*) FROM email_verification_tokens t JOIN users u ON u.id = t.user_id
                 WHERE t.ended_at IS NULL AND u.email = ";
    assert_eq!(shop.count(&format!("{alive}'{}'", visitor.email)).await, 1);
    let user = verify(&shop, DEMO, newest).await.expect(200).json()["user"].clone();
    assert_eq!((&user["email"], &user["emailVerified"]), (&json!(visitor.email), &json!(true)));
    let refused =
        shop.post(0, DEMO, "/v1/auth/resend-verification", &json!({"email": "jane"})).await.expect(400);
    assert_eq!(refused.faulty_fields(), ["email"]);
}
