use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No head of the service comes near it.
const MAX_HEADERS: usize = 48;

/// Longer than the service takes to give up on a request itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(40);

/// A connection that is kept open from one request to the next.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

/// An answer, as it lies in its connection's memory.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a [u8],
    pub body: &'a [u8],
}

/// Where the parts of an answer end.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    status: u16,
    head: usize,
    body: usize,
    closes: bool,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::with_capacity(16 * 1024) })
    }

    /// Sends one request and takes its answer. After an error the connection is of no more use.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.input.clear();
        let read = tokio::time::timeout(ANSWER_LIMIT, self.read_answer());
        let shape = read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if shape.closes {
            // Whoever asks next finds a closed connection, and opens another.
            self.stream.shutdown().await?;
        }
        let (head, rest) = self.input.split_at(shape.head);
        Ok(Answer { status: shape.status, head, body: rest.get(..shape.body).unwrap_or_default() })
    }

    async fn read_answer(&mut self) -> io::Result<Shape> {
        let mut known: Option<Shape> = None;
        loop {
            if known.is_none() {
                known = parse(&self.input)?;
            }
            if let Some(shape) = known.take_if(|shape| self.input.len() >= shape.head + shape.body) {
                return Ok(shape);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// None where the head is not whole yet.
fn parse(input: &[u8]) -> io::Result<Option<Shape>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(input) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    };
    let status = response.code.unwrap_or(0);
    let mut shape = Shape { status, head, body: 0, closes: false };
    let mut has_length = matches!(status, 204 | 304);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).unwrap_or_default();
            shape.body = text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            has_length = true;
        } else if header.name.eq_ignore_ascii_case("connection") {
            shape.closes = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    if has_length {
        Ok(Some(shape))
    } else {
        // The service answers JSON of a known length.
        Err(io::Error::new(io::ErrorKind::InvalidData, "an answer without a length"))
    }
}

impl Answer<'_> {
    /// The text of a string field, by its first mention: good for identifiers, which hold nothing to unescape.
    pub fn text_field(&self, name: &str) -> Option<&str> {
        let body = std::str::from_utf8(self.body).ok()?;
        let (_, rest) = body.split_once(&format!("\"{name}\":\""))?;
        rest.split('"').next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_where_its_body_ends() -> io::Result<()> {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 4\r\nConnection: close\r\n\r\nabcd";
        let shape = Shape { status: 201, head: answer.len() - 4, body: 4, closes: true };
        assert_eq!(parse(answer)?, Some(shape));
        assert_eq!(parse(&answer[..30])?, None);
        let none = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(none)?, Some(Shape { status: 204, head: none.len(), body: 0, closes: false }));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "an unknown length");
        Ok(())
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let answer =
            Answer { status: 409, head: b"", body: br#"{"error":{"code":"CONFLICT","message":"x"}}"# };
        assert_eq!(answer.text_field("code"), Some("CONFLICT"));
        assert_eq!(answer.text_field("other"), None);
    }
}
