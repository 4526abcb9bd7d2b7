use std::time::{Duration, Instant};

use primetech::limits::Limits;

use crate::client::send_bytes;
use crate::harness::{Running, limits, start, start_with};

const PATH: &str = "/api/test/body";

/// A JSON body of so many bytes.
fn json_of(size: usize) -> Vec<u8> {
    let frame = br#"{"name":""}"#.len();
    format!(r#"{{"name":"{}"}}"#, "x".repeat(size - frame)).into_bytes()
}

#[test]
fn a_body_of_64_kib_is_taken_and_one_byte_more_is_not() {
    let app = start();
    let largest = 64 * 1024;
    assert_eq!(app.post(PATH).json(json_of(largest)).send().status, 200);
    app.post(PATH).json(json_of(largest + 1)).send().assert_refused(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(app.post(PATH).chunked("application/json", &json_of(largest)).send().status, 200);
    let counted = app.post(PATH).chunked("application/json", &json_of(largest + 1)).send();
    counted.assert_refused(413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn a_client_that_still_sends_gets_to_read_its_refusal() {
    let app = start();
    for size in [70_000, 3_000_000, 20_000_000] {
        app.post(PATH).json(json_of(size)).send().assert_refused(413, "PAYLOAD_TOO_LARGE");
        let counted = app.post(PATH).chunked("application/json", &json_of(size)).send();
        counted.assert_refused(413, "PAYLOAD_TOO_LARGE");
    }
}

#[test]
fn another_type_is_415() {
    let app = start();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "",
    ] {
        let answer = app.post(PATH).body(content_type, r#"{"name":"x"}"#).send();
        answer.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let untyped = app.post(PATH).header("content-length", "12").raw_body(br#"{"name":"x"}"#).send();
    untyped.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[test]
fn json_may_say_its_charset_in_any_case() {
    let app = start();
    for content_type in
        ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
    {
        assert_eq!(app.post(PATH).body(content_type, r#"{"name":"x"}"#).send().status, 200, "{content_type}");
    }
}

#[test]
fn what_does_not_parse_is_invalid_json() {
    let app = start();
    let deep = "[".repeat(10_000);
    let bad: &[&[u8]] = &[
        b"{",
        b"{\"name\":}",
        b"{'name':'x'}",
        b"{\"name\":\"x\"} trailing",
        b"\xff\xfe",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":NaN}",
        b"\xef\xbb\xbf{\"name\":\"x\"}",
        b"   ",
        deep.as_bytes(),
    ];
    for body in bad {
        let answer = app.post(PATH).json(body).send();
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "INVALID_JSON"), "{body:?}");
    }
}

#[test]
fn no_body_is_refused_only_where_one_is_wanted() {
    let app = start();
    app.post(PATH).send().assert_refused(400, "INVALID_JSON");
    app.post(PATH).json("").send().assert_refused(400, "INVALID_JSON");
    app.post(PATH).body("text/plain", "").send().assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(app.post("/api/test/tenant").send().status, 200);
    assert_eq!(app.post("/api/test/tenant").body("text/plain", "").send().status, 200);
    app.post("/api/test/tenant").body("text/plain", "x").send().assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    app.post("/api/test/tenant").json("{").send().assert_refused(400, "INVALID_JSON");
}

#[test]
fn a_body_that_breaks_off_is_refused_and_harms_nobody_else() {
    let app = start();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: demo.localhost\r\ncontent-type: application/json\r\n");
    // The HTTP library closes the connection on a chunk that is none.
    let bad_chunk = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n");
    assert!(send_bytes(app.address, bad_chunk.as_bytes()).is_none());
    let two_lengths = format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}");
    send_bytes(app.address, two_lengths.as_bytes()).unwrap().assert_refused(400, "VALIDATION_ERROR");
    assert_eq!(app.post(PATH).json(r#"{"name":"x"}"#).send().status, 200);
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let limits = Limits { body_arrival: Duration::from_millis(100), ..limits() };
    let app = start_with(limits, &[]);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: demo.localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
    );
    let started = Instant::now();
    send_bytes(app.address, head.as_bytes()).unwrap().assert_refused(400, "INVALID_JSON");
    assert!(started.elapsed() < Duration::from_secs(15));
}

fn raw(app: &Running, body: Vec<u8>) -> crate::client::Answer {
    app.post("/api/test/raw").host("no-tenant.example").body("text/plain", body).send()
}

#[test]
fn a_raw_body_needs_no_tenant_and_no_type_and_may_have_1_mib() {
    let app = start();
    let largest = 1024 * 1024;
    assert_eq!(raw(&app, vec![b'x'; largest]).json()["length"], largest);
    raw(&app, vec![b'x'; largest + 1]).assert_refused(413, "PAYLOAD_TOO_LARGE");
    raw(&app, b"bad".to_vec()).assert_refused(400, "INVALID_SIGNATURE");
    assert_eq!(raw(&app, Vec::new()).json()["length"], 0);
}
