//! Requests that two servers may read in two ways, heads and bodies that trickle, and clients that do not read.
//!
//! The proxy in front decides where a request ends, and so does this server. Where the two could differ, what follows
//! the first request must never be taken for a request of its own: either all is refused, or the connection ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use primetech::limits::Limits;

use crate::client::{parse, send_bytes};
use crate::harness::{NO_DATABASE, limits, start, start_on, start_with};

const PATH: &str = "/api/test/body";
/// What is smuggled: its answer would be a second one.
const SECOND: &str = "GET /health HTTP/1.1\r\nhost: smuggled\r\n\r\n";

/// All that comes back until the server closes, or nothing more comes for a while.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // The first answer waits for the database's first connection; what follows on the same connection does not.
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // It may have been closed on us already.
    let _refused = stream.write_all(bytes);
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        received.extend_from_slice(&buffer[..read]);
        stream.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// A head with `framing`, then a body that one reading ends before [`SECOND`] and another one after it.
fn ambiguous(framing: &str, body: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: demo.localhost\r\ncontent-type: application/json\r\n{framing}\r\n\r\n{body}"
    )
}

#[test]
fn nothing_behind_an_ambiguous_request_is_taken_for_a_request() {
    let app = start();
    let json = r#"{"name":"x"}"#;
    let chunked = format!("{:x}\r\n{json}\r\n0\r\n\r\n", json.len());
    let length = chunked.len() + SECOND.len();
    let cases = [
        (
            "both, the length covering all",
            format!("content-length: {length}\r\ntransfer-encoding: chunked"),
            format!("{chunked}{SECOND}"),
        ),
        (
            "both, the other way round",
            format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
            format!("{chunked}{SECOND}"),
        ),
        (
            "both, the length too short",
            "content-length: 4\r\ntransfer-encoding: chunked".to_owned(),
            format!("{chunked}{SECOND}"),
        ),
        ("two lengths", format!("content-length: 0\r\ncontent-length: {}", SECOND.len()), SECOND.to_owned()),
        ("a list of lengths", format!("content-length: 0, {}", SECOND.len()), SECOND.to_owned()),
        ("a signed length", format!("content-length: +{}", json.len()), format!("{json}{SECOND}")),
        ("a negative length", "content-length: -1".to_owned(), format!("{json}{SECOND}")),
        ("a hexadecimal length", "content-length: 0xc".to_owned(), format!("{json}{SECOND}")),
        (
            "a length beyond all numbers",
            "content-length: 18446744073709551628".to_owned(),
            format!("{json}{SECOND}"),
        ),
        ("an unknown coding", "transfer-encoding: xchunked".to_owned(), format!("{chunked}{SECOND}")),
        (
            "a coding twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(),
            format!("{chunked}{SECOND}"),
        ),
        ("chunked not last", "transfer-encoding: chunked, identity".to_owned(), format!("{chunked}{SECOND}")),
        ("chunked twice", "transfer-encoding: chunked, chunked".to_owned(), format!("{chunked}{SECOND}")),
        ("a folded coding", "transfer-encoding:\r\n chunked".to_owned(), format!("{chunked}{SECOND}")),
        ("a folded length", format!("content-length:\r\n {}", json.len()), format!("{json}{SECOND}")),
        ("a blank before the colon", format!("content-length : {}", json.len()), format!("{json}{SECOND}")),
        (
            "a coding with a vertical tab",
            "transfer-encoding: \u{b}chunked".to_owned(),
            format!("{chunked}{SECOND}"),
        ),
        ("a NUL in a name", format!("content-\0length: {}", json.len()), format!("{json}{SECOND}")),
        ("a NUL in a value", format!("content-length: {}\0", json.len()), format!("{json}{SECOND}")),
        ("a bare CR in a value", format!("x: y\rcontent-length: {}", json.len()), format!("{json}{SECOND}")),
        (
            "a chunk size that overflows",
            "transfer-encoding: chunked".to_owned(),
            format!("1000000000000000c\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
        (
            "a signed chunk size",
            "transfer-encoding: chunked".to_owned(),
            format!("+c\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
        (
            "a negative chunk size",
            "transfer-encoding: chunked".to_owned(),
            format!("-1\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
        (
            "a chunk size in 0x",
            "transfer-encoding: chunked".to_owned(),
            format!("0xc\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
        (
            "an empty chunk size",
            "transfer-encoding: chunked".to_owned(),
            format!("\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
        (
            "a chunk that is longer than it says",
            "transfer-encoding: chunked".to_owned(),
            format!("4\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
        (
            "bare line feeds in the chunks",
            "transfer-encoding: chunked".to_owned(),
            format!("c\n{json}\n0\n\n{SECOND}"),
        ),
        (
            "a NUL as extension's end",
            "transfer-encoding: chunked".to_owned(),
            format!("c;\0\n\r\n{json}\r\n0\r\n\r\n{SECOND}"),
        ),
    ];
    let mut through = Vec::new();
    for (what, framing, body) in &cases {
        let received = exchange(app.address, ambiguous(framing, body).as_bytes());
        if received.contains(r#"{"status":"ok"}"#) {
            through.push((what, received));
        }
    }
    assert!(through.is_empty(), "{through:#?}");
    assert_eq!(app.post(PATH).json(json).send().status, 200, "and the server goes on");
}

#[test]
fn a_length_and_a_coding_together_are_refused() {
    let app = start();
    for framing in
        ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"]
    {
        let received = exchange(app.address, ambiguous(framing, "0\r\n\r\n").as_bytes());
        parse(received.as_bytes()).assert_refused(400, "VALIDATION_ERROR");
    }
}

#[test]
fn two_requests_that_are_right_are_both_answered() {
    // What shows that the tests above would see a second answer.
    let app = start();
    let json = r#"{"name":"x"}"#;
    let right = ambiguous(&format!("content-length: {}", json.len()), &format!("{json}{SECOND}"));
    assert!(exchange(app.address, right.as_bytes()).contains(r#"{"status":"ok"}"#));
    let chunks = format!("c;extension=1\r\n{json}\r\n0\r\ntrailer: x\r\n\r\n{SECOND}");
    let received = exchange(app.address, ambiguous("transfer-encoding: chunked", &chunks).as_bytes());
    assert!(received.starts_with("HTTP/1.1 "), "{received}");
}

#[test]
fn heads_that_are_not_text_or_too_long_are_refused() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    let long = "a".repeat(200_000);
    for head in [
        b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: a\r\nx\xff: y\r\n\r\n".to_vec(),
        b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n".to_vec(),
        b"G\0T / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n").into_bytes(),
        format!("{long} / HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&head[..head.len().min(60)]).into_owned();
        // Refused, or closed without a word (a reset on what was still being sent may overtake the refusal): never taken.
        let received = exchange(app.address, &head);
        if !received.is_empty() {
            let answer = parse(received.as_bytes());
            assert!((400..500).contains(&answer.status), "{shown}: {}", answer.status);
            answer.error_code();
        }
    }
    assert_eq!(app.get("/health").send().status, 200);
}

#[test]
fn refusals_below_http_carry_the_security_headers() {
    let app = start_on(NO_DATABASE, limits(), &[("COOKIE_SECURE", "true")]);
    let answer = send_bytes(app.address, b"nonsense\r\n\r\n").unwrap();
    answer.assert_refused(400, "VALIDATION_ERROR");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("strict-transport-security", "max-age=31536000"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

/// Sends `first`, then `drop` again and again, a little at a time, until the server has had enough; how long it took.
fn trickle(address: SocketAddr, first: &str, drop: &[u8]) -> (Duration, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    let begun = Instant::now();
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while begun.elapsed() < Duration::from_secs(15) {
        let sent = stream.write_all(drop);
        match stream.read(&mut buffer) {
            Ok(0) => return (begun.elapsed(), received),
            Ok(read) => received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return (begun.elapsed(), received);
            }
            Err(_) if sent.is_err() => return (begun.elapsed(), received),
            Err(_) => {}
        }
    }
    panic!("it is still listened to: {:?}", String::from_utf8_lossy(&received));
}

#[test]
fn whoever_trickles_is_let_go_of_however_steadily() {
    let patience = Duration::from_secs(1);
    let limits = Limits { request_head: patience, body_arrival: patience, disconnect: patience, ..limits() };
    let app = start_with(limits, &[]);
    std::thread::scope(|scope| {
        let head = scope.spawn(|| trickle(app.address, "GET / HTTP/1.1\r\nhost: a\r\n", b"x: y\r\n"));
        let name = scope.spawn(|| trickle(app.address, "GET / HTTP/1.1\r\nhost: a\r\nx", b"x"));
        let body = scope.spawn(|| {
            let first = ambiguous("content-length: 60000", "{");
            trickle(app.address, &first, b" ")
        });
        let chunks =
            scope.spawn(|| trickle(app.address, &ambiguous("transfer-encoding: chunked", ""), b"1\r\n \r\n"));
        let webhook = scope.spawn(|| {
            let first = "POST /api/webhooks/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\n{";
            trickle(app.address, first, b" ")
        });
        for (what, slow) in
            [("head", head), ("name", name), ("body", body), ("chunks", chunks), ("webhook", webhook)]
        {
            let (took, received) = slow.join().unwrap();
            assert!(took < Duration::from_secs(6), "{what}: {took:?}");
            let answer = parse(&received);
            assert_eq!(answer.status, 400, "{what}");
            answer.error_code();
        }
    });
}

#[test]
fn whoever_takes_nothing_of_an_answer_is_let_go_of_and_a_slow_reader_is_not() {
    let limits = Limits { answer_taken: Duration::from_millis(700), ..limits() };
    let app = start_on(NO_DATABASE, limits, &[]);
    // More than the buffers of both ends hold, however large they are made.
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    let many = ask.repeat(400);
    let mut idle = TcpStream::connect(app.address).unwrap();
    idle.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut slow = TcpStream::connect(app.address).unwrap();
    slow.write_all(ask.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let _as_much_as_fits = idle.write_all(many.as_bytes());
    let mut whole = Vec::new();
    let mut buffer = [0; 16_384];
    let begun = Instant::now();
    loop {
        let read = slow.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        whole.extend_from_slice(&buffer[..read]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_millis(1000), "slower than the patience: {:?}", begun.elapsed());
    assert!(parse(&whole).json()["openapi"].is_string(), "all of it came");
    // The idle one has been cut: what it finds is less than it asked for, and then the end.
    idle.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut rest = Vec::new();
    let ended = idle.read_to_end(&mut rest);
    let answers = rest.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
    assert!(answers < 400, "{answers} answers");
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
}
