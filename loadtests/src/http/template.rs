use std::io::Write;

/// The head of a request, all but the length of its body.
#[derive(Clone)]
pub struct Template {
    head: Vec<u8>,
}

impl Template {
    pub fn get(path: &str, host: &str) -> Self {
        Self { head: format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n").into_bytes() }
    }

    pub fn post(path: &str, host: &str) -> Self {
        Self::with_body("POST", path, host)
    }

    pub fn with_body(method: &str, path: &str, host: &str) -> Self {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
        Self { head: head.into_bytes() }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        self
    }

    /// Appends the whole request to `out`.
    pub fn write(&self, out: &mut Vec<u8>, body: &[u8]) {
        self.write_with(out, &[], body);
    }

    /// The same, with one more header.
    pub fn write_with(&self, out: &mut Vec<u8>, header_line: &[u8], body: &[u8]) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(header_line);
        if self.head.starts_with(b"GET ") {
            out.extend_from_slice(b"\r\n");
            return;
        }
        // Writing to memory does not fail.
        let _written = write!(out, "content-length: {}\r\n\r\n", body.len());
        out.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_its_head_its_length_and_its_body() {
        let mut out = Vec::new();
        Template::post("/api/x", "shop.test").header("cookie", "session=1").write(&mut out, b"{}");
        let expected = "POST /api/x HTTP/1.1\r\nhost: shop.test\r\ncontent-type: application/json\r\n\
                        cookie: session=1\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_get_has_no_body() {
        let mut out = Vec::new();
        Template::get("/ready", "shop.test").write(&mut out, b"");
        assert_eq!(String::from_utf8_lossy(&out), "GET /ready HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    }
}
