//! What processes remember of sessions, and how soon they forget it.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::harness::{DEMO, PASSWORD, Shop, Visitor, cookie_of, until};

/// A change is known everywhere within a second (`primetech_actors::invalidation`); the rest is for a busy machine.
const STALE_AT_MOST: Duration = Duration::from_secs(3);

/// Someone whom both instances remember.
async fn remembered(shop: &Shop) -> Visitor {
    let visitor = shop.register(DEMO).await;
    for instance in [0, 1] {
        shop.get_from(instance, &visitor, "/api/auth/me").await.expect(200);
    }
    visitor
}

/// Waits until both instances know the session no more; tells how long that took.
async fn forgotten(shop: &Shop, visitor: &Visitor) -> Duration {
    let since = Instant::now();
    for instance in [0, 1] {
        until("the session is known no more", async || {
            shop.get_from(instance, visitor, "/api/auth/me").await.status == 401
        })
        .await;
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_at_one_process_is_signed_out_at_the_other() {
    let shop = Shop::open_with(2).await;
    let visitor = remembered(&shop).await;
    let headers = [("cookie", visitor.cookie.as_str())];
    shop.send(0, Method::POST, DEMO, "/api/auth/logout", &headers, None).await.expect(204);
    assert!(forgotten(&shop, &visitor).await < STALE_AT_MOST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_hears_no_announcements_asks_the_database() {
    let shop = Shop::open_with(2).await;
    let visitor = remembered(&shop).await;
    // As if the announcement were lost: triggers announce, and these do not run.
    shop.execute(
        "DO $$ BEGIN PERFORM set_config('session_replication_role', 'replica', true); DELETE FROM sessions; END $$",
    )
    .await;
    assert_eq!(shop.count("SELECT count(*) FROM sessions").await, 0);
    shop.get_from(1, &visitor, "/api/auth/me").await.expect(200);

    let deafened = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND query ILIKE 'LISTEN%'";
    assert!(shop.count(deafened).await >= 2);
    assert!(forgotten(&shop, &visitor).await < STALE_AT_MOST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_is_gone_at_once_where_it_was_ended() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    // Often, because what is asked is whether the answer can come before the announcement is heard.
    for _ in 0..30 {
        let log_in = json!({"email": visitor.email, "password": PASSWORD});
        let signed_in = shop.post(0, DEMO, "/api/auth/login", &log_in).await.expect(200);
        let cookie = cookie_of(&signed_in);
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/json")];
        let me = async || shop.send(0, Method::GET, DEMO, "/api/auth/me", &headers[..1], None).await.status;
        assert_eq!(me().await, 200, "it is remembered");
        shop.send(0, Method::POST, DEMO, "/api/auth/logout", &headers[..1], None).await.expect(204);
        assert_eq!(me().await, 401, "signed out");

        let signed_in = shop.post(0, DEMO, "/api/auth/login", &log_in).await.expect(200);
        let cookie = cookie_of(&signed_in);
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/json")];
        let me = async || shop.send(0, Method::GET, DEMO, "/api/auth/me", &headers[..1], None).await.status;
        assert_eq!(me().await, 200, "it is remembered");
        let again =
            shop.send(0, Method::POST, DEMO, "/api/auth/login", &headers, Some(log_in.to_string())).await;
        again.expect(200);
        assert_eq!(me().await, 401, "replaced by another sign-in");
    }
}
