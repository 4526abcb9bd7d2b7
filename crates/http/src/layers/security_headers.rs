//! The headers that restrict what browsers do with an answer.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Adds what is not there already: a page may bring a policy of its own.
pub(super) fn add(headers: &mut HeaderMap, is_api: bool, strict_transport: bool) {
    let mut set = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
    }
    if strict_transport {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/html"));
    if !is_page && !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}
