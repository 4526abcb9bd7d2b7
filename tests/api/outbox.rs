//! Mails leave after their transaction, at least once.

use serde_json::json;

use crate::harness::{DEMO, PASSWORD, Shop, Visitor, cookie_of, until};

fn token_in(mail: &str) -> String {
    let rest = mail.split("token=").nth(1).unwrap();
    rest.chars()
        .take_while(|character| character.is_ascii_alphanumeric() || "-_".contains(*character))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailed_link_confirms_the_address_once() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    until("the mail is there", async || shop.mails().len() == 1).await;
    let mail = shop.mails().remove(0);
    assert!(mail.contains(&user.email) && mail.contains("https://front.example/verify-email?token="));
    let body = json!({"token": token_in(&mail)});
    let verified = shop.post(0, DEMO, "/api/auth/verify-email", &body).await.expect(200).json();
    assert_eq!(verified["user"]["emailVerified"], true);
    let used = shop.post(0, DEMO, "/api/auth/verify-email", &body).await.expect(400);
    let unknown =
        shop.post(0, DEMO, "/api/auth/verify-email", &json!({"token": "A".repeat(43)})).await.expect(400);
    assert_eq!(used.code(), "INVALID_TOKEN");
    assert_eq!(used.without_request_id(), unknown.without_request_id());
    assert_eq!(
        shop.count("SELECT count(*) FROM outbox_messages WHERE payload::text LIKE '%token\"%'").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_changes_the_password_and_ends_every_session() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    let login = json!({"email": user.email, "password": PASSWORD});
    let login = shop.post(0, DEMO, "/api/auth/login", &login).await.expect(200);
    let elsewhere = Visitor { host: DEMO, cookie: cookie_of(&login), email: user.email.clone() };
    let path = "/api/auth/request-password-reset";
    let known = shop.post(0, DEMO, path, &json!({"email": user.email})).await.expect(202);
    let unknown = shop.post(0, DEMO, path, &json!({"email": "nobody@example.com"})).await.expect(202);
    assert_eq!((known.text.as_str(), unknown.text.as_str()), ("{}", "{}"));
    let reset =
        || shop.mails().into_iter().find(|mail| mail.contains("https://front.example/reset-password?token="));
    until("the mail is there", async || reset().is_some()).await;
    let body = json!({"token": token_in(&reset().unwrap()), "password": "another battery staple horse"});
    shop.post(0, DEMO, "/api/auth/reset-password", &body).await.expect(204);
    for session in [&user, &elsewhere] {
        until("the session has ended", async || shop.get_as(session, "/api/auth/me").await.status == 401)
            .await;
    }
    shop.post(0, DEMO, "/api/auth/login", &json!({"email": user.email, "password": PASSWORD}))
        .await
        .expect(401);
    let new = json!({"email": user.email, "password": "another battery staple horse"});
    shop.post(0, DEMO, "/api/auth/login", &new).await.expect(200);
    shop.post(0, DEMO, "/api/auth/reset-password", &body).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_is_told_with_its_receipt_and_licence_keys() {
    let shop = Shop::open_with(2).await;
    let buyer = shop.register(DEMO).await;
    let (_, key) = shop.buy_licence(&buyer).await;
    until("the mail is there", async || shop.mails().iter().any(|mail| mail.contains(&key))).await;
    let sent = async || shop.count("SELECT count(*) FROM outbox_messages WHERE status <> 'SENT'").await == 0;
    until("all is sent", sent).await;
    assert_eq!(shop.mails().len(), 2, "of two couriers one took each mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_sent_is_tried_again_or_set_aside() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    shop.execute(
        "INSERT INTO outbox_messages (tenant_id, id, topic, payload, next_attempt_at, created_at)
         SELECT tenant_id, gen_random_uuid(), 'mail.unheard-of', jsonb_build_object('userId', id), now(), now() FROM users",
    )
    .await;
    let dead = async || shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'DEAD'").await == 1;
    until("it is set aside", dead).await;
    assert_eq!(
        shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'DEAD' AND last_error IS NULL").await,
        0
    );
    // A folder that is gone is a fault that another try can mend.
    let (folder, aside) = (shop.mail.path().to_owned(), shop.mail.path().with_extension("aside"));
    until("the first mail is sent", async || shop.mails().len() == 1).await;
    std::fs::rename(&folder, &aside).unwrap();
    shop.post(0, DEMO, "/api/auth/request-password-reset", &json!({"email": user.email})).await.expect(202);
    let failed = async || {
        shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'PENDING' AND attempts > 0 AND last_error IS NOT NULL").await == 1
    };
    until("a try has failed", failed).await;
    std::fs::rename(&aside, &folder).unwrap();
    until("a later try sends it", async || shop.mails().len() == 2).await;
}
