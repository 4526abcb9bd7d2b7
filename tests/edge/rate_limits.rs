//! Who calls too often is refused. One process here; `shared_limits` has several.

use std::sync::Arc;

use primetech_actors::clock::{Clock, ManualClock, SystemClock};

use crate::client::{Answer, Call};
use crate::harness::{Running, limits, start, start_clocked, start_with};

const ON: (&str, &str) = ("RATE_LIMIT", "on");
const TOLD: [&str; 5] =
    ["ratelimit", "ratelimit-limit", "ratelimit-policy", "ratelimit-remaining", "ratelimit-reset"];

fn limited(changes: &[(&str, &str)]) -> Running {
    start_with(limits(), &[&[ON], changes].concat())
}

fn number(answer: &Answer, header: &str) -> u64 {
    answer.header(header).unwrap_or_else(|| panic!("no {header}")).parse().unwrap()
}

#[test]
fn a_call_too_many_is_told_when_to_come_back() {
    let app = limited(&[("RATE_LIMIT_OTHER", "3")]);
    for remaining in [2, 1, 0] {
        let answer = app.get("/api/test/tenant").send();
        assert_eq!((answer.status, number(&answer, "ratelimit-remaining")), (200, remaining));
        assert_eq!(number(&answer, "ratelimit-limit"), 3);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"other\";q=3;w=60"));
        let reset = number(&answer, "ratelimit-reset");
        assert!((1..=60).contains(&reset), "{reset}");
        assert_eq!(answer.header("ratelimit"), Some(format!("\"other\";r={remaining};t={reset}").as_str()));
        assert_eq!(answer.header("retry-after"), None);
    }
    let refused = app.get("/api/test/tenant").send();
    refused.assert_refused(429, "RATE_LIMITED");
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    let wait = number(&refused, "retry-after");
    assert!((1..=60).contains(&wait) && wait == number(&refused, "ratelimit-reset"), "{wait}");
}

#[test]
fn whoever_waits_as_told_is_let_in_again() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let changes = [ON, ("RATE_LIMIT_OTHER", "2"), ("RATE_LIMIT_AUTH", "2")];
    let app = start_clocked(Arc::clone(&clock), &changes);
    for (path, window) in [("/api/test/tenant", 60), ("/api/auth/nothing", 15 * 60)] {
        let call = || app.get(path).send();
        assert_ne!(call().status, 429);
        clock.advance(chrono::Duration::seconds(20));
        assert_ne!(call().status, 429);
        let refused = call();
        refused.assert_refused(429, "RATE_LIMITED");
        let wait = number(&refused, "retry-after");
        assert_eq!(wait, window - 20, "{path}");
        clock.advance(chrono::Duration::seconds(i64::try_from(wait).unwrap() - 1));
        call().assert_refused(429, "RATE_LIMITED");
        clock.advance(chrono::Duration::seconds(1));
        assert_ne!(call().status, 429, "{path}");
        // The second call's window has not ended: one more was free, and it is taken.
        call().assert_refused(429, "RATE_LIMITED");
    }
}

#[test]
fn each_sort_of_call_has_a_bucket_of_its_own() {
    let each_one = ["AUTH", "LICENCES", "OTHER", "WEBHOOKS"].map(|bucket| format!("RATE_LIMIT_{bucket}"));
    let changes: Vec<(&str, &str)> = each_one.iter().map(|name| (name.as_str(), "1")).collect();
    let app = limited(&changes);
    let firsts = [
        ("POST", "/api/auth/login", "auth"),
        ("POST", "/api/licences/validate", "licences"),
        ("POST", "/api/webhooks/stripe", "webhooks"),
        ("GET", "/api/auth/me", "other"),
    ];
    for (method, path, bucket) in firsts {
        let answer = app.call(method, path).send();
        assert_ne!(answer.status, 429, "{path}");
        assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"{bucket}\"")), "{path}");
    }
    for (method, path) in [
        ("POST", "/api/auth/register"),
        ("POST", "/api/auth/reset-password"),
        ("GET", "/api/auth/nothing"),
        ("GET", "/api/licences"),
        ("POST", "/api/licences/activate"),
        ("PUT", "/api/licences"),
        ("POST", "/api/webhooks/stripe"),
        // Front ends call these on every page: they are no attempts at a password.
        ("GET", "/api/auth/me"),
        ("HEAD", "/api/auth/me"),
        ("POST", "/api/auth/logout"),
        ("GET", "/api/nothing"),
        ("GET", "/.well-known/licence-keys.json"),
        ("GET", "/v1/currencies"),
    ] {
        assert_eq!(app.call(method, path).send().status, 429, "{method} {path}");
    }
}

#[test]
fn what_operators_and_readers_ask_for_is_not_limited() {
    let app = limited(&[("RATE_LIMIT_OTHER", "1")]);
    for path in ["/health", "/ready", "/metrics", "/openapi.json", "/docs"] {
        for _ in 0..3 {
            let answer = app.get(path).send();
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(TOLD.map(|name| answer.header(name)), [None; 5], "{path}");
        }
    }
}

#[test]
fn tenants_are_counted_apart_and_webhooks_are_of_none() {
    let app = limited(&[("RATE_LIMIT_OTHER", "1"), ("RATE_LIMIT_WEBHOOKS", "1")]);
    let status = |method, path, host| app.call(method, path).host(host).send().status;
    assert_eq!(status("GET", "/api/test/tenant", "demo.localhost"), 200);
    assert_eq!(status("GET", "/api/test/tenant", "demo.example"), 429, "another domain of the same tenant");
    assert_eq!(status("GET", "/api/test/tenant", "acme.localhost"), 200);
    assert_eq!(status("POST", "/api/webhooks/stripe", "demo.localhost"), 400);
    assert_eq!(status("POST", "/api/webhooks/stripe", "nobody.localhost"), 429);
}

#[test]
fn clients_are_told_apart_by_trusted_proxies_only() {
    let statuses = |app: &Running, clients: &[&str]| -> Vec<u16> {
        let call = |client: &&str| app.get("/api/test/tenant").header("x-forwarded-for", client);
        clients.iter().map(|client| call(client).send().status).collect()
    };
    let behind_a_proxy = limited(&[("RATE_LIMIT_OTHER", "1")]);
    let clients =
        ["192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8:1:2::1", "2001:db8:1:2:3::9", "2001:db8::1"];
    assert_eq!(statuses(&behind_a_proxy, &clients), [200, 200, 429, 200, 429, 200]);
    let open_to_all = limited(&[("RATE_LIMIT_OTHER", "1"), ("TRUSTED_PROXIES", "192.0.2.200")]);
    assert_eq!(statuses(&open_to_all, &["192.0.2.1", "192.0.2.2"]), [200, 429], "anyone could write that");
}

#[test]
fn of_many_calls_at_once_exactly_the_limit_pass() {
    let app = limited(&[("RATE_LIMIT_OTHER", "25")]);
    let address = app.address;
    let passed = std::thread::scope(|scope| {
        let call = || Call::new(address, "GET", "/api/test/tenant").send().status;
        let threads: Vec<_> =
            (0..10).map(|_| scope.spawn(move || (0..8).filter(|_| call() == 200).count())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(passed, 25);
}

#[test]
fn a_refusal_comes_before_anything_of_the_body_and_after_the_tenant() {
    let app = limited(&[("RATE_LIMIT_OTHER", "1"), ("RATE_LIMIT_WEBHOOKS", "1")]);
    assert_eq!(app.get("/api/test/tenant").send().status, 200);
    app.post("/api/test/body").json("{").send().assert_refused(429, "RATE_LIMITED");
    app.post("/api/test/body").json(vec![b' '; 70_000]).send().assert_refused(429, "RATE_LIMITED");
    let unknown = app.get("/api/test/tenant").host("nobody.localhost").send();
    unknown.assert_refused(404, "TENANT_NOT_FOUND");
    // Names are not guessed for nothing: such calls are counted by their address alone.
    assert_eq!(unknown.header("ratelimit-policy"), Some("\"other\";q=1;w=60"));
    app.get("/api/test/tenant").host("gone.localhost").send().assert_refused(429, "RATE_LIMITED");
    app.get("/api/test/tenant").host("nobody.localhost").send().assert_refused(429, "RATE_LIMITED");
    app.post("/api/webhooks/stripe").json("{}").send().assert_refused(400, "INVALID_SIGNATURE");
    app.post("/api/webhooks/stripe").json("{}").send().assert_refused(429, "RATE_LIMITED");
}

#[test]
fn pages_of_known_origins_can_read_a_refusal_and_ask_before_at_no_cost() {
    let app = limited(&[("RATE_LIMIT_OTHER", "1")]);
    let origin = ("origin", "https://front.example");
    for _ in 0..3 {
        let preflight = app.call("OPTIONS", "/api/test/tenant").header(origin.0, origin.1);
        assert_eq!(preflight.header("access-control-request-method", "GET").send().status, 204);
    }
    let call = || app.get("/api/test/tenant").header(origin.0, origin.1).send();
    assert_eq!(call().status, 200);
    let refused = call();
    refused.assert_refused(429, "RATE_LIMITED");
    assert_eq!(refused.header("access-control-allow-origin"), Some(origin.1));
    let exposed = refused.header("access-control-expose-headers").unwrap();
    for name in TOLD.iter().chain(&["retry-after"]) {
        assert!(exposed.split(", ").any(|known| known == *name), "{name} is not in {exposed}");
    }
}

#[test]
fn refusals_are_counted_by_bucket() {
    let app = limited(&[("RATE_LIMIT_LICENCES", "1")]);
    for _ in 0..3 {
        app.post("/api/licences/validate").send();
    }
    let figures = String::from_utf8(app.get("/metrics").send().body).unwrap();
    let line = figures.lines().find(|line| line.starts_with("rate_limited_total{bucket=\"licences\"}"));
    // Other tests of this process may count too.
    let count: u64 = line.unwrap_or_else(|| panic!("{figures}")).rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count >= 2, "{count}");
}

#[test]
fn switched_off_nothing_is_limited_or_said() {
    let app = start();
    for _ in 0..30 {
        let answer = app.post("/api/auth/login").send();
        assert_eq!(answer.status, 400);
        assert_eq!(TOLD.map(|name| answer.header(name)), [None; 5]);
    }
}
