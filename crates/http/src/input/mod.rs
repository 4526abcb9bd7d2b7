//! Checked input: all faults at once, under the names that the client uses.
//!
//! An [`Input`] collects faults while a handler reads its fields. [`Input::finish`] returns all values, or one
//! `VALIDATION_ERROR` with all faults:
//!
//! ```ignore
//! async fn start(session: SignedIn, mut input: Input) -> Result<HttpResponse, ApiError> {
//!     let key = input.header("idempotency-key", rules::idempotency_key);
//!     let mut body = input.body()?;
//!     let items = body.list("items", 1..=50, |item| {
//!         let sku = item.required("sku", rules::sku);
//!         let quantity = item.integer("quantity", 1..=999);
//!         Field::all((sku, quantity))
//!     });
//!     let url = body.optional("successUrl", rules::web_url);
//!     let (key, items, url) = input.finish((key, items, url))?;
//! ```
//!
//! Invariant: a [`Field`] has no value only if a fault was recorded (only this module creates fields). So without a
//! fault all values are there, and no handler unwraps anything.
//!
//! A rule is a function from text to a value or to a fault; the `parse` of a type is a rule too. Unknown fields and
//! parameters are ignored. In a body `null` means absent.

mod body;
mod faults;
mod field;
pub mod page;
mod parameters;
pub mod rules;
pub mod sent;

use std::fmt::Display;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use primetech_kernel::page::PageRequest;
use sha2::{Digest, Sha256};

use crate::endpoint::Argument;
use crate::error::{ApiError, Code};
use crate::layers::json::ReceivedBody;
use crate::once::IdempotencyKey;

pub use body::Body;
use faults::Faults;
pub use field::{Field, Fields};
use parameters::Query;
use sent::Sent;

/// The input of one request, as an extractor: it never fails itself, so what stands before it in a handler's
/// arguments (who may call) decides first.
pub struct Input {
    request: HttpRequest,
    body: Rc<ReceivedBody>,
    query: Query,
    faults: Faults,
}

impl Input {
    pub fn of(request: &HttpRequest) -> Self {
        let body = request.extensions().get::<Rc<ReceivedBody>>().map(Rc::clone).unwrap_or_default();
        let query = Query::parse(request.query_string());
        Self { request: request.clone(), body, query, faults: Faults::default() }
    }

    /// The body's fields. Without a body: `INVALID_JSON`, or `UNSUPPORTED_MEDIA_TYPE` where another type was
    /// declared. A body that is JSON but no object is a fault of the field `body`.
    pub fn body(&mut self) -> Result<Body<'_>, ApiError> {
        match &*self.body {
            ReceivedBody::Json(value) => Ok(Body::of(value, &mut self.faults)),
            ReceivedBody::None { declared_otherwise: false } => {
                Err(ApiError::new(Code::INVALID_JSON).message("The body is missing."))
            }
            ReceivedBody::None { declared_otherwise: true } => {
                Err(ApiError::new(Code::UNSUPPORTED_MEDIA_TYPE))
            }
        }
    }

    /// The body as the struct `T`, made by [`sent!`](crate::sent). Errors as [`body`](Self::body).
    pub fn sent<T: Sent>(&mut self) -> Result<Field<T>, ApiError> {
        Ok(T::read(&mut self.body()?))
    }

    /// What the request asks for, as a hash: method, path and the meaning of its body. The order of a JSON object's
    /// names and its white space do not matter.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.request.method().as_str());
        hasher.update([0]);
        hasher.update(self.request.path());
        hasher.update([0]);
        if let ReceivedBody::Json(value) = &*self.body {
            // Objects are kept sorted by name.
            hasher.update(value.to_string());
        }
        hasher.finalize().into()
    }

    /// The request's `Idempotency-Key`, if it has one.
    pub fn idempotency_key(&mut self) -> Field<Option<IdempotencyKey>> {
        let request_hash = self.fingerprint();
        self.header("idempotency-key", rules::idempotency_key)
            .map(|key| key.map(|key| IdempotencyKey { key, request_hash }))
    }

    /// A parameter of the path, percent-decoded.
    pub fn path<T, E: Display>(&mut self, name: &str, rule: impl Fn(&str) -> Result<T, E>) -> Field<T> {
        let Some(raw) = self.request.match_info().get(name) else {
            return self.faults.missing(name);
        };
        // The router has replaced bytes that are no text, so the path as it came is asked as well.
        let whole = parameters::percent_decoded(self.request.uri().path(), false);
        match whole.and_then(|_| parameters::percent_decoded(raw, false)) {
            Some(text) => self.faults.judge(name, rule(&text)),
            None => self.faults.fault(name, "is not valid UTF-8"),
        }
    }

    /// A query parameter that may be left out.
    pub fn query<T, E: Display>(
        &mut self,
        name: &str,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Field<Option<T>> {
        match self.query.get(name) {
            Ok(None) => Field::value(None),
            Ok(Some(text)) => self.faults.judge(name, rule(text).map(Some)),
            Err(flaw) => self.faults.fault(name, flaw),
        }
    }

    pub fn required_query<T, E: Display>(
        &mut self,
        name: &str,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Field<T> {
        match self.query.get(name) {
            Ok(None) => self.faults.missing(name),
            Ok(Some(text)) => self.faults.judge(name, rule(text)),
            Err(flaw) => self.faults.fault(name, flaw),
        }
    }

    /// A header that may be left out. `name` in lower case, as faults are told.
    pub fn header<T, E: Display>(
        &mut self,
        name: &str,
        rule: impl Fn(&str) -> Result<T, E>,
    ) -> Field<Option<T>> {
        let mut values = self.request.headers().get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Field::value(None),
            (Some(_), Some(_)) => self.faults.fault(name, "must not be sent twice"),
            (Some(value), None) => match value.to_str() {
                Ok(text) => self.faults.judge(name, rule(text).map(Some)),
                Err(_) => self.faults.fault(name, "must be visible ASCII characters"),
            },
        }
    }

    /// `limit` and `cursor` of a list.
    pub fn page(&mut self) -> Field<PageRequest> {
        let limit = self.query("limit", rules::page_limit);
        let list = page::tag(&self.request.match_pattern().unwrap_or_default());
        let after = self.query("cursor", |text| page::parse_cursor(list, text));
        Field::all((limit, after)).map(|(limit, after)| PageRequest {
            list,
            limit: limit.unwrap_or(page::DEFAULT_LIMIT),
            after,
        })
    }

    /// Records a fault that only shows when several fields are looked at together.
    pub fn fault(&mut self, field: &str, message: impl Display) {
        self.faults.add(field, message);
    }

    /// Whether a fault was found so far.
    pub fn is_faulty(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The values, or all faults.
    pub fn finish<F: Fields>(self, fields: F) -> Result<F::Values, ApiError> {
        self.faults.into_result()?;
        // No fault, so every field has its value: see the invariant above.
        fields.values().ok_or_else(|| ApiError::internal("a field without a value and without a fault"))
    }
}

impl Argument for Input {}

impl FromRequest for Input {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use actix_web::test::TestRequest;
    use serde_json::{Value, json};

    use super::*;

    fn input(request: TestRequest, body: Value) -> Input {
        let request = request.to_http_request();
        request.extensions_mut().insert(Rc::new(ReceivedBody::Json(body)));
        Input::of(&request)
    }

    fn faults(error: &ApiError) -> Value {
        assert_eq!(error.code(), Code::VALIDATION_ERROR);
        json!(error.field_errors())
    }

    fn checkout(mut input: Input) -> Result<Vec<(String, u32)>, ApiError> {
        let key = input.header("idempotency-key", rules::idempotency_key);
        let order = input.path("orderId", rules::uuid);
        let page = input.page();
        let mut body = input.body()?;
        let email = body.required("email", rules::email);
        let name = body.optional("name", rules::text(1..=5));
        let items = body.list("items", 1..=2, |item| {
            let sku = item.required("sku", rules::sku);
            let quantity = item.integer("quantity", 1..=999);
            Field::all((sku, quantity))
        });
        let (_, _, _, _, _, items) = input.finish((key, order, page, email, name, items))?;
        Ok(items)
    }

    const ID: &str = "0190b6f0-0000-7000-8000-000000000000";

    #[test]
    fn every_fault_is_named_at_once() {
        let request = TestRequest::with_uri("/?limit=0&cursor=x")
            .param("orderId", "7")
            .append_header(("idempotency-key", "a"))
            .append_header(("idempotency-key", "b"));
        let body = json!({"email": 1, "name": "too long", "items": [{"sku": "A", "quantity": 1.0}, 7]});
        let error = checkout(input(request, body)).unwrap_err();
        let named = faults(&error);
        let mut names: Vec<_> = named.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "cursor",
                "email",
                "idempotency-key",
                "items[0].quantity",
                "items[1]",
                "limit",
                "name",
                "orderId"
            ]
        );
    }

    #[test]
    fn values_come_out_where_nothing_is_wrong() {
        let request = TestRequest::with_uri("/?limit=100").param("orderId", ID);
        let body = json!({"email": "A@Example.com", "name": null, "other": [], "items": [{"sku": "A", "quantity": 3}]});
        assert_eq!(checkout(input(request, body)).unwrap(), [("A".to_owned(), 3)]);
    }

    #[test]
    fn a_body_that_is_no_object_is_a_fault_of_the_body() {
        let request = TestRequest::with_uri("/").param("orderId", "7");
        let error = checkout(input(request, json!(["a"]))).unwrap_err();
        assert_eq!(faults(&error), json!({"body": ["must be an object"], "orderId": ["must be a UUID"]}));
    }

    #[test]
    fn a_list_that_is_too_long_is_not_read() {
        let request = TestRequest::with_uri("/").param("orderId", ID);
        let body = json!({"email": "a@example.com", "items": [1, 2, 3]});
        let error = checkout(input(request, body)).unwrap_err();
        assert_eq!(faults(&error), json!({"items": ["must have 1 to 2 entries"]}));
    }

    #[test]
    fn a_missing_body_is_invalid_json() {
        let request = TestRequest::default().to_http_request();
        let error = Input::of(&request).body().err().unwrap();
        assert_eq!(error.code(), Code::INVALID_JSON);
    }

    #[test]
    fn a_parameter_sent_twice_is_a_fault() {
        let request = TestRequest::with_uri("/?q=a&%71=b").to_http_request();
        let mut input = Input::of(&request);
        let q = input.query("q", rules::text(1..=5));
        let error = input.finish((q,)).unwrap_err();
        assert_eq!(faults(&error), json!({"q": ["must not be sent twice"]}));
    }

    #[test]
    fn bytes_that_are_no_text_are_a_fault() {
        let request = TestRequest::with_uri("/%ff?q=%ff").param("orderId", "\u{fffd}").to_http_request();
        let mut input = Input::of(&request);
        let q = input.query("q", rules::text(1..=5));
        let order = input.path("orderId", rules::text(1..=5));
        let error = input.finish((q, order)).unwrap_err();
        assert_eq!(faults(&error), json!({"orderId": ["is not valid UTF-8"], "q": ["is not valid UTF-8"]}));
    }

    #[test]
    fn unreadable_parameters_nobody_asks_for_are_ignored() {
        let request = TestRequest::with_uri("/?%ff=1&x=%ff&q=a+b").to_http_request();
        let mut input = Input::of(&request);
        let q = input.required_query("q", rules::text(1..=5));
        assert_eq!(input.finish((q,)).unwrap().0, "a b");
    }
}
