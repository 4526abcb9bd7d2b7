//! The facts of a request for its log line and errors. Each layer adds what it learns.

use std::cell::{OnceCell, RefCell};
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use primetech_kernel::audit_log;
use primetech_kernel::random;

use crate::endpoint::Argument;
use crate::error::ApiError;
use crate::request_spans::RequestSpans;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST_REQUEST_ID: usize = 64;

/// One request's facts. Shared between the layers, which all run on the request's thread.
#[derive(Debug)]
pub struct RequestFacts {
    request_id: Rc<str>,
    /// The pattern of the route, not the path: paths hold keys and references.
    route: OnceCell<String>,
    tenant: RefCell<Option<String>>,
    spans: RequestSpans,
}

impl RequestFacts {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Rc<Self> {
        let request_id = request_id(headers);
        let spans = RequestSpans::begin(method, headers, &request_id);
        Rc::new(Self { request_id, route: OnceCell::new(), tenant: RefCell::new(None), spans })
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    pub(super) fn spans(&self) -> &RequestSpans {
        &self.spans
    }

    pub(crate) fn know_route(&self, method: &Method, route: String) {
        self.spans.know_route(method, &route);
        // Nobody has set it before.
        let _ = self.route.set(route);
    }

    pub(crate) fn route(&self) -> Option<&str> {
        self.route.get().map(String::as_str)
    }

    pub(super) fn know_tenant(&self, slug: &str) {
        self.spans.know_tenant(slug);
        self.tenant.replace(Some(slug.to_owned()));
    }

    pub(super) fn tenant(&self) -> Option<String> {
        self.tenant.borrow().clone()
    }
}

/// The client's own id for the request where it is fit to be logged and sent back, else a new one.
fn request_id(headers: &HeaderMap) -> Rc<str> {
    match headers.get(REQUEST_ID).map(HeaderValue::as_bytes) {
        Some(id) if is_fit(id) => String::from_utf8_lossy(id).into(),
        _ => random::opaque_id().to_string().into(),
    }
}

fn is_fit(id: &[u8]) -> bool {
    (1..=LONGEST_REQUEST_ID).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// The request's id, for a handler that passes it on.
#[derive(Debug, Clone)]
pub struct RequestId(pub Rc<str>);

impl RequestId {
    /// For what the actors write down.
    pub fn audited(&self) -> Option<audit_log::RequestId> {
        Some(Arc::from(&*self.0))
    }
}

impl Argument for RequestId {}

impl FromRequest for RequestId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let facts =
            request.extensions().get::<Rc<RequestFacts>>().map(|facts| Self(Rc::clone(&facts.request_id)));
        ready(facts.ok_or_else(|| ApiError::internal("a request without an id")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_s_id_is_taken_over_only_where_it_is_fit() {
        for id in ["a", "A.b_c-1", &"x".repeat(64)] {
            assert!(is_fit(id.as_bytes()), "{id}");
        }
        for id in ["", "a b", "a\"b", "é", "a/b", &"x".repeat(65)] {
            assert!(!is_fit(id.as_bytes()), "{id}");
        }
    }
}
