//! A bare HTTP/1.1 client: it sends what a well-behaved one would not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Checks that this is the canonical error to the letter, and gives its code.
    pub fn error_code(&self) -> String {
        let body = self.json();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&body), ["error"], "{body}");
        let error = &body["error"];
        assert_eq!(keys(error), ["code", "details", "message"], "{body}");
        assert_eq!(keys(&error["details"]), ["fieldErrors", "meta"], "{body}");
        assert!(error["details"]["fieldErrors"].is_object());
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert_eq!(error["details"]["meta"]["requestId"].as_str(), self.header("x-request-id"), "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        error["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.error_code().as_str()), (status, code));
    }

    pub fn field_errors(&self) -> Value {
        self.json()["error"]["details"]["fieldErrors"].clone()
    }
}

/// A request in the making. Only what is said is sent, but for `host`.
pub struct Call {
    address: SocketAddr,
    line: String,
    headers: Vec<(String, String)>,
    host: Option<String>,
    body: Vec<u8>,
}

impl Call {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        Self {
            address,
            line: format!("{method} {path} HTTP/1.1"),
            headers: Vec::new(),
            host: Some("demo.localhost".to_owned()),
            body: Vec::new(),
        }
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub fn without_host(mut self) -> Self {
        self.host = None;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body with its length declared.
    pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let length = self.body.len().to_string();
        self.header("content-type", content_type).header("content-length", &length)
    }

    /// A body without any header that tells of it.
    pub fn raw_body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.body("application/json", body)
    }

    /// A body in chunks of 8 KiB, its length not declared.
    pub fn chunked(mut self, content_type: &str, body: &[u8]) -> Self {
        for chunk in body.chunks(8192) {
            self.body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            self.body.extend_from_slice(chunk);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.header("content-type", content_type).header("transfer-encoding", "chunked")
    }

    pub fn send(self) -> Answer {
        let mut head = self.line + "\r\n";
        for (name, value) in self
            .host
            .iter()
            .map(|host| ("host", host))
            .chain(self.headers.iter().map(|(name, value)| (name.as_str(), value)))
        {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        send_bytes(self.address, &bytes).expect("an answer")
    }
}

/// Sends bytes as they are and reads until the server closes. None where it closed without an answer.
pub fn send_bytes(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    // Written beside the reading: a server may answer before it has read everything.
    let writing = std::thread::spawn(move || writer.write_all(&bytes));
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("an answer that was not cut off");
    let _ = writing.join().unwrap();
    if received.is_empty() { None } else { Some(parse(&received)) }
}

pub fn parse(received: &[u8]) -> Answer {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&received[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: received[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body);
    }
    answer
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}
