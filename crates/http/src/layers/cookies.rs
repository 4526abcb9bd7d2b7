//! The session's cookie: read here, set and cleared by the endpoints of `auth`.

use std::future::{Ready, ready};

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::error::ApiError;

pub const SESSION: &str = "session";

/// A token is 43 characters; anything much longer is not looked at.
const LONGEST_TOKEN: usize = 128;

/// How cookies are set, by configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieSettings {
    pub secure: bool,
    pub same_site: SameSite,
}

impl CookieSettings {
    /// Carries a session's token for as long as a session may live at the most: when it ends is the server's
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

/// The token that the request carries, whether or not it is (still) good for anything.
#[derive(Clone)]
pub struct SessionCookie(pub Option<String>);

impl std::fmt::Debug for SessionCookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "SessionCookie(…)" } else { "SessionCookie(none)" })
    }
}

/// Reads the cookie and notes it for whoever asks later. A header that cannot be read carries none.
pub(super) fn read(request: &ServiceRequest) -> SessionCookie {
    let token = request.cookie(SESSION).map(|cookie| cookie.value().to_owned());
    let cookie = SessionCookie(token.filter(|token| (1..=LONGEST_TOKEN).contains(&token.len())));
    request.extensions_mut().insert(cookie.clone());
    cookie
}

impl FromRequest for SessionCookie {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or(Self(None))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_matches_what_was_set() {
        let settings = CookieSettings { secure: true, same_site: SameSite::Strict };
        let text = settings.no_session().to_string();
        assert_eq!(text, "session=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0");
    }
}
