use primetech_actors::caller::Role;

use crate::harness::{Running, start};

const PATH: &str = "/api/test/tenant";

/// Not foreign to `demo.localhost`: its own host, the tenant's domains, the front end.
const KNOWN: &[&str] = &[
    "http://demo.localhost",
    "http://demo.localhost:3000",
    "https://DEMO.localhost",
    "https://demo.example",
    "http://[::1]:3000",
    "https://front.example",
];

const FOREIGN: &[&str] = &[
    "null",
    "",
    "https://evil.example",
    "http://acme.localhost",
    "https://demo.example.evil.example",
    "https://notdemo.example",
    "file://",
    "demo.localhost",
    "https://demo.localhost@evil.example",
    "https://x:y@demo.localhost",
    "https://demo.localhost, https://evil.example",
];

fn mutation(app: &Running, origin: &str) -> crate::client::Answer {
    app.post(PATH).header("cookie", "session=anything").header("origin", origin).send()
}

#[test]
fn a_mutation_with_the_cookie_is_refused_from_a_foreign_origin() {
    let app = start();
    for origin in FOREIGN {
        let answer = mutation(&app, origin);
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "ORIGIN_FORBIDDEN"), "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    for origin in KNOWN {
        assert_eq!(mutation(&app, origin).status, 200, "{origin}");
    }
}

#[test]
fn several_origins_are_foreign() {
    let app = start();
    let call =
        app.post(PATH).header("cookie", "session=x").header("origin", KNOWN[0]).header("origin", KNOWN[0]);
    call.send().assert_refused(403, "ORIGIN_FORBIDDEN");
}

#[test]
fn a_live_session_is_refused_from_a_foreign_origin_on_every_mutating_method() {
    let app = start();
    let cookie = app.cookie_of_new_user("demo.localhost", Role::Customer);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let call = app
            .call(method, "/api/nothing")
            .header("cookie", &cookie)
            .header("origin", "https://evil.example");
        call.send().assert_refused(403, "ORIGIN_FORBIDDEN");
    }
}

#[test]
fn reads_and_calls_without_the_cookie_are_nobody_s_forgery() {
    let app = start();
    let foreign = "https://evil.example";
    assert_eq!(app.get(PATH).header("cookie", "session=x").header("origin", foreign).send().status, 200);
    assert_eq!(app.post(PATH).header("origin", foreign).send().status, 200);
    assert_eq!(app.post(PATH).header("cookie", "other=x").header("origin", foreign).send().status, 200);
    assert_eq!(app.post(PATH).header("cookie", "session=x").send().status, 200);
}

#[test]
fn known_origins_may_read_answers_and_refusals() {
    let app = start();
    for origin in KNOWN {
        for path in [PATH, "/api/nothing"] {
            let answer = app.get(path).header("origin", origin).send();
            assert_eq!(answer.header("access-control-allow-origin"), Some(*origin), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{path}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{path}");
        }
    }
    for origin in FOREIGN {
        let answer = app.get(PATH).header("origin", origin).send();
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{origin}");
    }
    let broken = app.post("/api/test/body").header("origin", KNOWN[0]).json("{").send();
    broken.assert_refused(400, "INVALID_JSON");
    assert_eq!(broken.header("access-control-allow-origin"), Some(KNOWN[0]));
}

#[test]
fn only_a_known_origin_s_preflight_is_answered() {
    let app = start();
    let preflight = |origin: &str| {
        app.call("OPTIONS", PATH)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key")
            .send()
    };
    let allowed = preflight("https://front.example");
    assert_eq!((allowed.status, allowed.body.len()), (204, 0));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("idempotency-key"));
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://front.example"));
    let refused = preflight("https://evil.example");
    refused.assert_refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    app.call("OPTIONS", PATH).send().assert_refused(405, "METHOD_NOT_ALLOWED");
}
