//! The connection below HTTP: makes the HTTP library's own answers canonical, and limits how long a client may leave
//! an answer unread.
//!
//! A head that is not HTTP, has no host, is too large or takes too long never becomes a request; the library writes a
//! status line without a body and closes. Such an answer has no request id, which tells it from the product's own
//! answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Buf, BytesMut};
use primetech_kernel::random;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::security_headers;
use crate::error::{ApiError, Code};

/// A connection of a client.
pub struct Connection {
    stream: TcpStream,
    /// What was taken from the library in another form than it is sent in.
    replaced: BytesMut,
    /// Whether the client has sent anything at all.
    spoken_to: bool,
    settings: ConnectionSettings,
    /// Runs while the client takes nothing of what is sent.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What connections are held to.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionSettings {
    /// How long a client may take nothing of an answer. One that reads on, however slowly, is waited for.
    pub patience: Duration,
    /// Browsers are told to come back over TLS only.
    pub strict_transport: bool,
}

impl Connection {
    pub fn new(stream: TcpStream, settings: ConnectionSettings) -> Self {
        Self { stream, replaced: BytesMut::new(), spoken_to: false, settings, stalled: None }
    }

    /// Ends the waiting for a client that takes nothing: it would hold its answer in memory for as long as it likes.
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.settings.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.bounded(context, written)
    }

    /// Sends what was replaced.
    fn poll_replaced(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.replaced.is_empty() {
            let rest = self.replaced.split();
            let sent = self.poll_send(context, &rest);
            self.replaced = rest;
            let written = ready!(sent)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replaced.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.spoken_to |= buffer.filled().len() > before;
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_replaced(context))?;
        let Some((at, status)) = bare_refusal(buffer) else {
            return self.poll_send(context, buffer);
        };
        self.replaced.extend_from_slice(&buffer[..at]);
        // To a connection that was opened in advance and not used, an answer would be one to the next request.
        if self.spoken_to {
            let refusal = canonical(status, self.settings.strict_transport);
            self.replaced.extend_from_slice(refusal.as_bytes());
        }
        // Taken as a whole, whether or not all of it can be sent at once.
        match self.poll_replaced(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(buffer.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replaced(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replaced(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A refusal is shorter than this.
const LONGEST_REFUSAL: usize = 256;

/// Where a refusal of the library's own begins at the end of what it writes, and its status.
fn bare_refusal(buffer: &[u8]) -> Option<(usize, StatusCode)> {
    if !buffer.ends_with(b"\r\n\r\n") {
        return None;
    }
    let tail_at = buffer.len().saturating_sub(LONGEST_REFUSAL);
    let at = tail_at + buffer[tail_at..].windows(7).rposition(|window| window == b"HTTP/1.")?;
    let head = std::str::from_utf8(&buffer[at..]).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = StatusCode::from_bytes(lines.next()?.get(9..12)?.as_bytes()).ok()?;
    let is_bare = lines.all(|line| {
        let name = line.split(':').next().unwrap_or_default();
        ["content-length", "connection", "date"].iter().any(|known| name.eq_ignore_ascii_case(known))
    });
    (is_bare && (status.is_client_error() || status.is_server_error())).then_some((at, status))
}

fn canonical(status: StatusCode, strict_transport: bool) -> String {
    let error = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            ApiError::new(Code::PAYLOAD_TOO_LARGE).message("The request's head is too large.")
        }
        StatusCode::REQUEST_TIMEOUT => {
            ApiError::new(Code::VALIDATION_ERROR).message("The request's head did not arrive in time.")
        }
        status if status.is_client_error() => {
            ApiError::new(Code::VALIDATION_ERROR).message("The request is not well-formed HTTP.")
        }
        _ => ApiError::new(Code::INTERNAL_ERROR),
    };
    let id = random::opaque_id().to_string();
    let body = error.body(&id);
    let status = error.code().status();
    let mut headers = HeaderMap::new();
    // Its path is not known: it is taken for one of the API.
    security_headers::add(&mut headers, true, strict_transport);
    let headers: String = headers
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}\r\n", value.to_str().ok()?)))
        .collect();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         x-request-id: {id}\r\n{headers}\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
                        date: Sat, 21 Nov 2026 03:11:23 GMT\r\n\r\n";

    #[test]
    fn a_bare_refusal_is_found_also_behind_another_answer() {
        assert_eq!(bare_refusal(BARE.as_bytes()), Some((0, StatusCode::BAD_REQUEST)));
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: a\r\n\r\n{}";
        let both = format!("{answer}{BARE}");
        assert_eq!(bare_refusal(both.as_bytes()), Some((answer.len(), StatusCode::BAD_REQUEST)));
    }

    #[test]
    fn answers_of_our_own_are_left_alone() {
        for own in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-request-id: a\r\n\r\n{}",
            // To HEAD: no body follows.
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-request-id: a\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ndate: Sat, 21 Nov 2026 03:11:23 GMT\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "a body that ends in\r\n\r\n",
            "",
        ] {
            assert_eq!(bare_refusal(own.as_bytes()), None, "{own}");
        }
    }
}
