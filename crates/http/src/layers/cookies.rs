//! Reads the session cookie. The endpoints of `auth` set and clear it.
//!
//! Other cookies are ignored, whatever bytes they contain.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest};
use secrecy::{ExposeSecret, SecretString};

use crate::endpoint::Argument;
use crate::error::ApiError;

pub const SESSION: &str = "session";

/// 256 bits in base64url.
const TOKEN_LENGTH: usize = 43;

/// A browser sends a cookie of each path and domain that has set one. A client that sends more tokens than this is guessing.
const MOST_TOKENS: usize = 5;

/// How cookies are set, by configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieSettings {
    pub secure: bool,
    pub same_site: SameSite,
}

impl CookieSettings {
    /// Carries a session's token for the longest life of a session: when it ends is the server's
    /// decision, which slides with use and which the cookie cannot follow.
    pub fn session(&self, token: &str) -> Cookie<'static> {
        self.cookie(token.to_owned(), Duration::days(90))
    }

    /// Takes the cookie away.
    pub fn no_session(&self) -> Cookie<'static> {
        self.cookie(String::new(), Duration::ZERO)
    }

    fn cookie(&self, value: String, max_age: Duration) -> Cookie<'static> {
        Cookie::build(SESSION, value)
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(self.same_site)
            .max_age(max_age)
            .finish()
    }
}

/// The different tokens that the request carries, in the order sent, whether or not they are (still) good for anything.
/// `Debug` prints none.
#[derive(Clone, Default)]
pub struct SessionTokens(Vec<SecretString>);

impl SessionTokens {
    pub fn into_inner(self) -> Vec<SecretString> {
        self.0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ExposeSecret::expose_secret)
    }
}

impl std::fmt::Debug for SessionTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SessionTokens({})", self.0.len())
    }
}

/// What a request's `cookie` headers say of sessions.
pub(super) struct SentCookies {
    /// Whether a cookie of the name was sent at all, whatever it holds.
    pub any: bool,
    pub tokens: SessionTokens,
}

pub(super) fn read(headers: &HeaderMap) -> SentCookies {
    // HTTP/2 may send each cookie in a header of its own.
    let values = headers.get_all(header::COOKIE).flat_map(|header| session_values(header.as_bytes()));
    let mut sent = SentCookies { any: false, tokens: SessionTokens::default() };
    for value in values {
        sent.any = true;
        let Some(token) = token(value) else { continue };
        if sent.tokens.0.len() < MOST_TOKENS && !sent.tokens.iter().any(|known| known == token) {
            sent.tokens.0.push(token.into());
        }
    }
    sent
}

/// The values of the pairs named [`SESSION`] in a header: RFC 6265, 5.4. Pairs are told apart before any is read.
fn session_values(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        (name.trim_ascii() == SESSION.as_bytes()).then(|| value.trim_ascii())
    })
}

/// Text of the form that tokens have; nothing else can be one.
fn token(value: &[u8]) -> Option<&str> {
    let fits = value.len() == TOKEN_LENGTH
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    std::str::from_utf8(value).ok().filter(|_| fits)
}

impl Argument for SessionTokens {}

impl FromRequest for SessionTokens {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(read(request.headers()).tokens))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn sent(values: &[&[u8]]) -> (bool, Vec<String>) {
        let mut headers = HeaderMap::new();
        for value in values {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(header::COOKIE, value);
            }
        }
        let sent = read(&headers);
        (sent.any, sent.tokens.iter().map(str::to_owned).collect())
    }

    #[test]
    fn clearing_matches_what_was_set() {
        let settings = CookieSettings { secure: true, same_site: SameSite::Strict };
        let text = settings.no_session().to_string();
        assert_eq!(text, "session=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0");
    }

    #[test]
    fn other_cookies_bytes_disturb_nothing() {
        let (one, other) = ("a".repeat(TOKEN_LENGTH), "-_".repeat(21) + "Z");
        let (first, second) = (format!("session={one}"), format!("session={other}"));
        for before in [
            "",
            "caf\u{e9}=\u{e9}; ",
            "name; ",
            "=; ",
            ";;; ",
            "a=b=c; ",
            "a=\"session=x\"; ",
            "a=%zz%; ",
            "Session=x; ",
        ] {
            // A character a byte, as an old script writes it: no UTF-8.
            let header: Vec<u8> =
                before.chars().map(|character| character as u8).chain(first.bytes()).collect();
            assert_eq!(sent(&[&header]), (true, vec![one.clone()]), "{before}");
        }
        assert_eq!(sent(&[b"\xe9=\xe9", second.as_bytes()]), (true, vec![other.clone()]));
        assert_eq!(sent(&[format!("{first} ;\t{second}").as_bytes()]), (true, vec![one, other]));
    }

    #[test]
    fn what_cannot_be_a_token_is_a_cookie_without_one() {
        for value in
            ["", "x", &"a".repeat(44), &format!("{}+", "a".repeat(42)), &format!("\"{}\"", "a".repeat(43))]
        {
            assert_eq!(sent(&[format!("session={value}").as_bytes()]), (true, vec![]), "{value}");
        }
        assert_eq!(sent(&[b"sessions=a; mysession=b; session"]), (false, vec![]));
        assert_eq!(sent(&[]), (false, vec![]));
    }

    #[test]
    fn a_bounded_number_of_different_tokens_is_tried() {
        let tokens: Vec<String> = (0..50).map(|number| format!("{:043}", number / 2)).collect();
        let header = tokens.iter().map(|token| format!("session={token}")).collect::<Vec<_>>().join("; ");
        let first: Vec<String> = (0..MOST_TOKENS).map(|number| format!("{number:043}")).collect();
        assert_eq!(sent(&[header.as_bytes()]), (true, first));
    }
}
