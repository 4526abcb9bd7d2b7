//! One endpoint: its method and path, who may call it, the layers before it, and what its file says of it.

use actix_web::Route;
use actix_web::http::Method;

use crate::openapi::Doc;
use crate::rate_limits::Bucket;

/// Where the calls of tenants lie. All that is asked for beneath these is answered as JSON.
pub const API_ROOTS: [&str; 2] = ["/api", "/v1"];

/// Whether `path` is one of the [`API_ROOTS`] or lies beneath one.
pub fn is_api(path: &str) -> bool {
    API_ROOTS
        .into_iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// A signed-in user of any role.
    Session,
    /// An administrator of the tenant.
    Admin,
}

/// Which layers stand before an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expects {
    /// A tenant's host and JSON: everything under `/api` and `/v1` but webhooks.
    TenantAndJson,
    /// A tenant's host; no body is read. Outside of those.
    Tenant,
    /// Signed bytes, and no tenant: webhooks. All methods of such a path are of this kind.
    RawBody,
    /// Nothing: health and documentation, outside `/api`.
    Nothing,
}

/// One endpoint.
#[derive(Clone)]
pub struct Endpoint {
    pub method: Method,
    /// With its parameters, as in `/api/orders/{orderId}`.
    pub path: &'static str,
    pub access: Access,
    pub expects: Expects,
    /// Where its calls are counted, if it expects anything.
    pub bucket: Bucket,
    /// Makes the handler's route, once on each worker: `|| web::to(handle)`.
    pub(crate) handler: fn() -> Route,
    /// What its own file says of it.
    pub doc: Option<fn() -> Doc>,
}

impl Endpoint {
    pub fn new(method: Method, path: &'static str, access: Access, handler: fn() -> Route) -> Self {
        let expects = if is_api(path) { Expects::TenantAndJson } else { Expects::Nothing };
        let bucket = Bucket::of_path(path);
        Self { method, path, access, expects, bucket, handler, doc: None }
    }

    pub fn get(path: &'static str, access: Access, handler: fn() -> Route) -> Self {
        Self::new(Method::GET, path, access, handler)
    }

    pub fn post(path: &'static str, access: Access, handler: fn() -> Route) -> Self {
        Self::new(Method::POST, path, access, handler)
    }

    pub fn patch(path: &'static str, access: Access, handler: fn() -> Route) -> Self {
        Self::new(Method::PATCH, path, access, handler)
    }

    #[must_use]
    pub fn documented(mut self, doc: fn() -> Doc) -> Self {
        self.doc = Some(doc);
        self
    }

    /// In place of what the path suggests.
    #[must_use]
    pub fn expecting(mut self, expects: Expects) -> Self {
        self.expects = expects;
        self
    }

    /// In place of what the path suggests.
    #[must_use]
    pub fn counted_in(mut self, bucket: Bucket) -> Self {
        self.bucket = bucket;
        self
    }
}
