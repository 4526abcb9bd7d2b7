//! What a hostile client sends, to every endpoint of the route table: each field, parameter and header in turn. It is
//! answered in the canonical form, never by a failure inside, and the shop goes on.

use futures_util::StreamExt;
use primetech::compose::{codes, endpoints};
use primetech::openapi::document;
use primetech::routes::{Endpoint, Expects};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, DEMO, PASSWORD, Shop, Visitor, cookie_of};

/// Requests under way at once.
const AT_ONCE: usize = 8;

fn hostile_values() -> Vec<Value> {
    let deep = (0..100).fold(json!("x"), |inner, _| json!([inner]));
    vec![
        json!("\u{0}"),
        json!("a\u{0}b@example.com"),
        json!("\u{202e}\u{feff}\u{200b}"),
        json!("\u{10ffff}\u{fffe}"),
        json!("x".repeat(40_000)),
        json!("' OR 1=1; DROP TABLE users; --"),
        json!("%00%0d%0aset-cookie:x=y"),
        json!("a\r\nBcc: everyone@example.com\r\n\r\nhello"),
        json!("../../../../etc/passwd"),
        json!("${jndi:ldap://127.0.0.1:1/x}{{7*7}}<script>"),
        json!("-1"),
        json!("9999999999999999999999"),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(true),
        json!([]),
        json!({}),
        json!({"$ne": null}),
        deep,
        Value::Null,
    ]
}

/// In a path or a query, as they stand on the request line.
fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "%00",
        "%ff%fe",
        "%C0%AE%C0%AE%2f",
        "..%2f..%2fetc%2fpasswd",
        "%0d%0aset-cookie:%20x=y",
        "'%20OR%201=1--",
        "%25%30%30",
        "%F4%90%80%80",
        "*",
        "%E2%80%AE",
        "-1",
        "0",
        "NaN",
        "1e9",
        "\u{7f}",
    ]
    .map(|text| text.replace('\u{7f}', "%7F"))
    .to_vec();
    texts.push("A".repeat(8_000));
    texts.push("%41".repeat(2_000));
    texts
}

/// Every value that the example holds in turn replaced by each of the hostile ones.
fn spoiled(example: &Value, hostile: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = hostile.to_vec();
    match example {
        Value::Object(object) => {
            for (name, value) in object {
                for bad in spoiled(value, hostile) {
                    let mut copy = object.clone();
                    copy.insert(name.clone(), bad);
                    all.push(Value::Object(copy));
                }
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                for bad in spoiled(value, hostile) {
                    let mut copy = values.clone();
                    copy[at] = bad;
                    all.push(Value::Array(copy));
                }
            }
        }
        _ => {}
    }
    all
}

fn of_tenants() -> Vec<Endpoint> {
    let mut all = endpoints();
    // Signing out would end the session that the others are called with.
    all.retain(|endpoint| endpoint.expects == Expects::TenantAndJson && endpoint.path != "/api/auth/logout");
    all
}

async fn admin(shop: &Shop) -> Visitor {
    let admin = shop.register(DEMO).await;
    shop.make_admin(&admin).await;
    admin
}

fn assert_harmless(what: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{what}: {status} {}", answer.text);
    if status >= 400 {
        answer.code();
    }
    for name in [
        "x-content-type-options",
        "content-security-policy",
        "x-frame-options",
        "referrer-policy",
        "cache-control",
    ] {
        assert!(answer.headers.contains_key(name), "{what}: no {name}");
    }
    let injected =
        answer.headers.get_all("set-cookie").iter().any(|cookie| cookie.as_bytes().starts_with(b"x=y"));
    assert!(!injected && !answer.text.contains("root:"), "{what}");
}

struct Sent {
    method: Method,
    path: String,
    body: Option<String>,
}

/// Sends all, some at a time, and gives how many were taken and how many refused.
async fn send_all(shop: &Shop, admin: &Visitor, all: Vec<Sent>) -> (usize, usize) {
    let sent = all.into_iter().map(|Sent { method, path, body }| async move {
        // Signing in ends the session that it comes with, and the others need theirs.
        let signs_in = path.ends_with("/register") || path.ends_with("/login");
        let cookie = if signs_in { "" } else { admin.cookie.as_str() };
        let headers = [("content-type", "application/json"), ("cookie", cookie)];
        let shown = |text: &str| text.chars().take(200).collect::<String>();
        let what = format!("{method} {} {}", shown(&path), shown(body.as_deref().unwrap_or_default()));
        let answer = shop.send(0, method, DEMO, &path, &headers, body).await;
        assert_harmless(&what, &answer);
        answer.status.is_success()
    });
    let outcomes: Vec<bool> = futures_util::stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
    let taken = outcomes.iter().filter(|taken| **taken).count();
    (taken, outcomes.len() - taken)
}

async fn assert_goes_on(shop: &Shop, admin: &Visitor) {
    shop.get_as(admin, "/api/auth/me").await.expect(200);
    shop.send(0, Method::GET, "any.host", "/ready", &[], None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_field_of_any_body_makes_an_endpoint_fail_inside() {
    let shop = Shop::open().await;
    let admin = admin(&shop).await;
    let (document, hostile) = (document(&endpoints(), &codes()), hostile_values());
    let mut all = Vec::new();
    for endpoint in of_tenants() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let Some(example) = operation["requestBody"]["content"]["application/json"].get("example") else {
            continue;
        };
        // A reset with a made-up token hashes no password; a registration that is taken costs one.
        let path = endpoint.path.replace("{bkgRef}", "BKG-AAAAAAAA");
        for body in spoiled(example, &hostile) {
            let method = Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
            all.push(Sent { method, path: path.clone(), body: Some(body.to_string()) });
        }
    }
    assert!(all.len() > 600, "{}", all.len());
    let (taken, refused) = send_all(&shop, &admin, all).await;
    assert!(refused > taken, "{taken} taken, {refused} refused");
    assert_goes_on(&shop, &admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_parameter_of_any_path_or_query_makes_an_endpoint_fail_inside() {
    let shop = Shop::open().await;
    let admin = admin(&shop).await;
    let document = document(&endpoints(), &codes());
    let mut all = Vec::new();
    for endpoint in of_tenants() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let method = || Method::from_bytes(endpoint.method.as_str().as_bytes()).unwrap();
        let body =
            || operation["requestBody"]["content"]["application/json"].get("example").map(Value::to_string);
        for hostile in hostile_texts() {
            if endpoint.path.contains('{') {
                let segments = endpoint.path.split('/');
                let segments = segments.map(|it| if it.starts_with('{') { hostile.as_str() } else { it });
                let path = segments.collect::<Vec<_>>().join("/");
                all.push(Sent { method: method(), path, body: body() });
            }
            for parameter in operation["parameters"].as_array().unwrap() {
                if parameter["in"] == "query" {
                    let path = endpoint.path.replace(['{', '}'], "");
                    let path = format!("{path}?{}={hostile}", parameter["name"].as_str().unwrap());
                    all.push(Sent { method: method(), path, body: body() });
                }
            }
        }
    }
    assert!(all.len() > 300, "{}", all.len());
    send_all(&shop, &admin, all).await;
    assert_goes_on(&shop, &admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_headers_are_refused_or_mean_nothing() {
    let shop = Shop::open().await;
    let visitor = shop.register(DEMO).await;
    let cart = json!({"items": [{"sku": "editor", "quantity": 1}]}).to_string();
    let base = [("content-type", "application/json"), ("cookie", visitor.cookie.as_str())];
    let send = async |more: &[(&str, &str)]| {
        let headers = [&base, more].concat();
        shop.send(0, Method::POST, DEMO, "/api/checkout/start", &headers, Some(cart.clone())).await
    };
    let long = "k".repeat(256);
    for key in [
        &[("idempotency-key", "a"), ("idempotency-key", "a")][..],
        &[("idempotency-key", "")],
        &[("idempotency-key", &*long)],
        &[("idempotency-key", "a b")],
    ] {
        let refused = send(key).await.expect(400);
        assert_eq!(refused.faulty_fields(), ["idempotency-key"]);
    }
    // Of several cookies of the name the valid one decides.
    let two = format!("{}; session={}", visitor.cookie, "A".repeat(43));
    let me = async |cookies: &[&str]| {
        let headers: Vec<(&str, &str)> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
        shop.send(0, Method::GET, DEMO, "/api/auth/me", &headers, None).await.status.as_u16()
    };
    for cookies in [&[two.as_str()][..], &[visitor.cookie.as_str(), "session=other"]] {
        assert_eq!(me(cookies).await, 200, "{cookies:?}");
    }
    let flood = format!("{}session=x", "session=y; ".repeat(500));
    for cookie in [
        flood.as_str(),
        "session",
        "session=",
        "=",
        ";;;",
        "session=\"",
        "$Version=1; session=x",
        "session=%00%ff",
    ] {
        assert_eq!(me(&[cookie]).await, 401, "{}", &cookie[..cookie.len().min(40)]);
    }
    let orders = shop.get_as(&visitor, "/api/orders").await.expect(200).json();
    assert_eq!(orders["items"], json!([]), "nothing was ordered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_planted_is_never_taken_over() {
    let shop = Shop::open().await;
    let attacker = shop.register(DEMO).await;
    for planted in [format!("session={}", "A".repeat(43)), attacker.cookie.clone()] {
        let email = format!("{}@example.com", primetech_actors::random::opaque_id().simple());
        let headers = [("content-type", "application/json"), ("cookie", planted.as_str())];
        let body = json!({"email": email, "password": PASSWORD}).to_string();
        let mut issued = vec![planted.clone()];
        for (path, status) in [("/api/auth/register", 201), ("/api/auth/login", 200)] {
            let answer =
                shop.send(0, Method::POST, DEMO, path, &headers, Some(body.clone())).await.expect(status);
            let cookie = cookie_of(&answer);
            assert!(!issued.contains(&cookie), "{path} hands out a new session");
            let visitor = Visitor { host: DEMO, cookie: cookie.clone(), email: email.clone() };
            assert_eq!(
                shop.get_as(&visitor, "/api/auth/me").await.expect(200).json()["user"]["email"],
                email
            );
            issued.push(cookie);
        }
        let planted = Visitor { host: DEMO, cookie: planted, email: email.clone() };
        let theirs = shop.get_as(&planted, "/api/auth/me").await;
        assert!(!theirs.text.contains(&email), "the planted one is not the victim's: {theirs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_licence_keys_raises_the_alarm_and_mistyping_does_not() {
    let shop = Shop::open_as(1, &[("RATE_LIMIT", "on")]).await;
    let figure = async |name: &str| -> f64 {
        let text = shop.send(0, Method::GET, "any.host", "/metrics", &[], None).await.expect(200).text;
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .expect("it is shown from the start");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(figure("licence_guesses_total").await, 0.0);
    let guess = async |number: usize, client: &str| {
        let headers = [("content-type", "application/json"), ("x-forwarded-for", client)];
        let key = format!("LIC-ZZZZ-ZZZZ-{number:04}");
        let (path, body, status) = match number % 3 {
            0 => ("validate", json!({"licKey": key}), 200),
            1 => ("activate", json!({"licKey": key, "fingerprint": "device-one"}), 404),
            _ => ("deactivate", json!({"licKey": key, "fingerprint": "device-one"}), 404),
        };
        let path = format!("/api/licences/{path}");
        let answer =
            shop.send(0, Method::POST, DEMO, &path, &headers, Some(body.to_string())).await.expect(status);
        assert!(answer.text.contains("LICENCE_NOT_FOUND"), "{answer:?}");
    };
    for number in 0..20 {
        guess(number, "203.0.113.1").await;
        guess(number, "203.0.113.2").await;
    }
    assert_eq!(figure("licence_unknown_keys_total").await, 40.0);
    assert_eq!(figure("licence_guesses_total").await, 0.0, "twenty are put down to mistyping");
    for number in 20..25 {
        guess(number, "203.0.113.1").await;
    }
    assert_eq!(figure("licence_guesses_total").await, 5.0);
    guess(0, "203.0.113.3").await;
    assert_eq!(figure("licence_guesses_total").await, 5.0, "another address is another one");
}
