use std::time::Duration;

use primetech::limits::Limits;

use crate::client::{parse, send_bytes};
use crate::harness::{NO_DATABASE, limits, start, start_on};

#[test]
fn an_unknown_path_is_404() {
    let app = start();
    app.get("/nothing").send().assert_refused(404, "NOT_FOUND");
    app.get("/api/nothing").send().assert_refused(404, "NOT_FOUND");
    app.get("/apiary").send().assert_refused(404, "NOT_FOUND");
    app.get("/api").send().assert_refused(404, "NOT_FOUND");
    app.get("/api/test/tenant/").send().assert_refused(404, "NOT_FOUND");
    app.get("//api//test").send().assert_refused(404, "NOT_FOUND");
    app.get("/%").send().assert_refused(404, "NOT_FOUND");
    app.get("/api/%ff").send().assert_refused(404, "NOT_FOUND");
}

#[test]
fn a_known_path_with_another_method_is_405_and_says_what_is_allowed() {
    let app = start();
    for (method, path, allow) in [
        ("PUT", "/api/test/tenant", "GET, HEAD, POST"),
        ("OPTIONS", "/api/test/tenant", "GET, HEAD, POST"),
        ("BREW", "/api/test/body", "POST"),
        ("GET", "/api/test/raw", "POST"),
        ("DELETE", "/api/test/admin", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("TRACE", "/health", "GET, HEAD"),
    ] {
        let answer = app.call(method, path).send();
        answer.assert_refused(405, "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[test]
fn literal_paths_go_before_parameters() {
    let app = start();
    assert_eq!(app.get("/api/test/literal/track").send().json()["literal"], true);
    assert_eq!(app.get("/api/test/literal/other").send().json()["id"], "other");
}

#[test]
fn head_answers_as_get_without_the_body() {
    let app = start();
    let answer = app.call("HEAD", "/health").send();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let refused = app.call("HEAD", "/api/nothing").send();
    assert_eq!((refused.status, refused.body.len()), (404, 0));
    assert_eq!(refused.header("content-type"), Some("application/json"));
}

#[test]
fn what_is_no_http_is_refused_in_the_canonical_form() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    for request in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        let answer = send_bytes(app.address, request.as_bytes()).unwrap();
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "VALIDATION_ERROR"), "{request}");
    }
    let many = "x: y\r\n".repeat(200);
    let answer =
        send_bytes(app.address, format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes()).unwrap();
    answer.assert_refused(413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn a_refusal_behind_a_right_answer_leaves_that_one_whole() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    let two = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\nnonsense\r\n\r\n";
    let both = send_bytes(app.address, two).unwrap();
    assert_eq!(both.status, 200);
    let text = String::from_utf8(both.body).unwrap();
    let (first, second) = text.split_at(text.find("HTTP/1.1").expect("a second answer"));
    assert_eq!(first, r#"{"status":"ok"}"#);
    parse(second.as_bytes()).assert_refused(400, "VALIDATION_ERROR");
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    // Shorter than the half second by which the HTTP library's clock may lag, it would never be noticed.
    let limits = Limits { request_head: Duration::from_secs(1), ..limits() };
    let app = start_on(NO_DATABASE, limits, &[]);
    send_bytes(app.address, b"GET / HT").unwrap().assert_refused(400, "VALIDATION_ERROR");
    assert!(send_bytes(app.address, b"").is_none(), "nothing was asked, so nothing is answered");
}

#[test]
fn a_panic_is_answered_and_the_next_request_too() {
    let app = start();
    for path in ["/test/panic", "/api/test/panic"] {
        for _ in 0..3 {
            let answer = app.get(path).send();
            answer.assert_refused(500, "INTERNAL_ERROR");
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        }
    }
    assert_eq!(app.get("/api/test/tenant").send().status, 200);
}

#[test]
fn internals_stay_inside() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    let answer = app.get("/test/internal").send();
    answer.assert_refused(500, "INTERNAL_ERROR");
    assert!(!String::from_utf8_lossy(&answer.body).contains("cause"));
}

#[test]
fn an_error_of_the_framework_becomes_canonical() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    let answer = app.get("/test/foreign").send();
    answer.assert_refused(409, "CONFLICT");
    assert!(!String::from_utf8_lossy(&answer.body).contains("not canonical"));
}

#[test]
fn a_request_that_takes_too_long_is_told_what_it_may_believe() {
    let limits = Limits { request: Duration::from_millis(100), ..limits() };
    let app = start_on(NO_DATABASE, limits, &[]);
    let read = app.get("/test/slow").send();
    read.assert_refused(503, "OVERLOADED");
    assert_eq!(read.header("retry-after"), Some("1"));
    app.post("/test/slow").send().assert_refused(504, "OUTCOME_UNKNOWN");
}

#[test]
fn without_a_database_the_answer_is_503() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    let answer = app.get("/api/test/tenant").send();
    answer.assert_refused(503, "DATABASE_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn a_fit_request_id_is_taken_over() {
    let app = start();
    for path in ["/health", "/nothing", "/api/test/tenant", "/test/panic"] {
        let answer = app.get(path).header("x-request-id", "Client.id_1-2").send();
        assert_eq!(answer.header("x-request-id"), Some("Client.id_1-2"), "{path}");
    }
    let answer = app.get("/nothing").header("x-request-id", "Client.id_1-2").send();
    answer.assert_refused(404, "NOT_FOUND");
}

#[test]
fn an_unfit_request_id_is_replaced() {
    let app = start();
    for unfit in ["", "a b", "a\"b", "x/y", &"x".repeat(65)] {
        let answer = app.get("/health").header("x-request-id", unfit).send();
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4, "{unfit:?} gave {id}");
    }
    let ids = [app.get("/health").send(), app.get("/health").send()];
    assert_ne!(ids[0].header("x-request-id"), ids[1].header("x-request-id"));
}

#[test]
fn every_answer_carries_the_security_headers() {
    let app = start();
    for path in ["/health", "/nothing", "/api/test/tenant", "/api/nothing", "/test/panic"] {
        let answer = app.get(path).send();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
        assert_eq!(answer.header("cache-control"), path.starts_with("/api").then_some("no-store"), "{path}");
    }
}

#[test]
fn browsers_are_kept_on_tls_where_cookies_are_secure() {
    let app = start_on(NO_DATABASE, limits(), &[("COOKIE_SECURE", "true")]);
    let answer = app.get("/health").send();
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}
