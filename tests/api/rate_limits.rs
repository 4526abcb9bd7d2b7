//! Failed logins, and that every refusal is one that the document describes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ACME, Answer, DEMO, PASSWORD, Shop, until};

const LIMITS: &[(&str, &str)] =
    &[("RATE_LIMIT", "on"), ("RATE_LIMIT_AUTH", "1000"), ("RATE_LIMIT_LOGIN_FAILURES", "3")];

async fn log_in(shop: &Shop, host: &str, email: &str, password: &str) -> Answer {
    shop.post(0, host, "/api/auth/login", &json!({"email": email, "password": password})).await
}

/// What somebody outside could compare.
fn outside(answer: &Answer) -> (u16, Value, Vec<String>) {
    // As a set: the client keeps them in no order.
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    (answer.status.as_u16(), answer.without_request_id(), names)
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_logins_shut_an_account_whether_it_exists_or_not() {
    let shop = Shop::open_as(1, LIMITS).await;
    let (user, neighbour) = (shop.register(DEMO).await, shop.register(DEMO).await);
    let mut seen = Vec::new();
    for email in [user.email.as_str(), "nobody@example.com"] {
        let mut answers = Vec::new();
        for remaining in ["2", "1", "0"] {
            let answer = log_in(&shop, DEMO, &email.to_uppercase(), "not the right one").await.expect(401);
            assert_eq!(answer.code(), "INVALID_CREDENTIALS");
            assert_eq!(answer.headers["ratelimit-remaining"], remaining);
            answers.push(outside(&answer));
        }
        for password in ["not the right one", PASSWORD] {
            let refused = log_in(&shop, DEMO, email, password).await.expect(429);
            assert_eq!(refused.code(), "RATE_LIMITED");
            let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((800..=900).contains(&wait), "{wait}");
            let policy = refused.headers["ratelimit-policy"].to_str().unwrap();
            assert_eq!(policy, "\"auth\";q=1000;w=900, \"login-failures\";q=3;w=900");
            assert!(!refused.headers.contains_key("set-cookie"));
            answers.push(outside(&refused));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1], "nothing tells an account from none");
    log_in(&shop, DEMO, &neighbour.email, PASSWORD).await.expect(200);
    log_in(&shop, ACME, &user.email, PASSWORD).await.expect(401);
    // Who is signed in stays so.
    shop.get_as(&user, "/api/auth/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_are_not_counted_however_many_come_at_once() {
    let shop = Shop::open_as(1, LIMITS).await;
    let user = shop.register(DEMO).await;
    log_in(&shop, DEMO, &user.email, "not the right one").await.expect(401);
    let logins = (0..8).map(|_| log_in(&shop, DEMO, &user.email, PASSWORD));
    for answer in futures_util::future::join_all(logins).await {
        assert_eq!(
            answer.expect(200).headers["ratelimit-policy"],
            "\"auth\";q=1000;w=900, \"login-failures\";q=3;w=900"
        );
    }
    log_in(&shop, DEMO, &user.email, "not the right one").await.expect(401);
    log_in(&shop, DEMO, &user.email, "not the right one").await.expect(401);
    log_in(&shop, DEMO, &user.email, PASSWORD).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_no_more_are_answered_than_one_by_one() {
    let shop = Shop::open_as(1, LIMITS).await;
    let user = shop.register(DEMO).await;
    let guesses: Vec<String> = (0..20).map(|guess| format!("guess number {guess}")).collect();
    let answers =
        futures_util::future::join_all(guesses.iter().map(|guess| log_in(&shop, DEMO, &user.email, guess)))
            .await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status.as_u16() == status).count();
    assert_eq!((with(401), with(429)), (3, 17), "{answers:#?}");
}

/// A right guess that is still under way when wrong ones have used up what was allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_guess_that_comes_too_late_signs_nobody_in() {
    let shop = Shop::open_as(1, LIMITS).await;
    let user = shop.register(DEMO).await;
    // Its session cannot be written before this transaction has ended.
    let mut holding = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE sessions IN EXCLUSIVE MODE").execute(&mut *holding).await.unwrap();
    let right = log_in(&shop, DEMO, &user.email, PASSWORD);
    let wrong = async {
        let waiting = "SELECT count(*) FROM pg_locks
            WHERE NOT granted AND relation = 'sessions'::regclass
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        until("the right guess waits", async || shop.count(waiting).await > 0).await;
        for _ in 0..3 {
            log_in(&shop, DEMO, &user.email, "not the right one").await.expect(401);
        }
        holding.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(right, wrong);
    assert_eq!(answer.clone().expect(429).code(), "RATE_LIMITED");
    assert!(!answer.headers.contains_key("set-cookie"));
    // The registration's is left.
    assert_eq!(shop.count("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").await, 1);
    shop.get_as(&user, "/api/auth/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limited_path_describes_its_refusal() {
    let limits = [
        ("RATE_LIMIT", "on"),
        ("RATE_LIMIT_AUTH", "1"),
        ("RATE_LIMIT_LICENCES", "1"),
        ("RATE_LIMIT_OTHER", "1"),
        ("RATE_LIMIT_WEBHOOKS", "1"),
    ];
    let shop = Shop::open_as(1, &limits).await;
    let spend = ["/api/auth/login", "/api/licences/validate", "/api/nothing", "/api/webhooks/stripe"];
    for path in spend {
        let answer = shop.send(0, Method::POST, DEMO, path, &[], None).await;
        assert_ne!(answer.status, 429, "{path}");
    }
    let mut refused = 0;
    for endpoint in primetech::compose::endpoints() {
        let path = endpoint.path.replace(['{', '}'], "");
        let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
        // What is sent is held against the document.
        let answer = shop.send(0, method, DEMO, &path, &[], None).await;
        if endpoint.expects == primetech::routes::Expects::Nothing {
            assert_ne!(answer.status, 429, "{path}");
        } else {
            assert_eq!(answer.expect(429).code(), "RATE_LIMITED", "{path}");
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
}
