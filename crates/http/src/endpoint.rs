//! One endpoint: its method and path, who may call it, the layers before it, and its documentation.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route, web};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Whether the handler says who may call: by a permission among its arguments.
    pub asks: bool,
    pub expects: Expects,
    /// The module that a tenant may do without, and this endpoint with it.
    pub module: Option<&'static str>,
    /// Where its calls are counted, if it expects anything.
    pub bucket: Bucket,
    /// Makes the handler's route, once on each worker.
    pub(crate) route: Arc<dyn Fn() -> Route + Send + Sync>,
    /// What its own file says of it.
    pub doc: Option<fn() -> Doc>,
}

impl Endpoint {
    /// Who may call it, `handle`'s arguments say.
    pub fn new<F, A>(method: Method, path: &'static str, handle: F) -> Self
    where
        F: Handler<A> + Send + Sync,
        A: Arguments + FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let expects = if is_api(path) { Expects::TenantAndJson } else { Expects::Nothing };
        let bucket = Bucket::of_path(path);
        let access = A::PERMISSION.unwrap_or(Access::Public);
        let asks = A::PERMISSION.is_some();
        let route = Arc::new(move || web::to(handle.clone()));
        Self { method, path, access, asks, expects, module: None, bucket, route, doc: None }
    }

    pub fn get<F, A>(path: &'static str, handle: F) -> Self
    where
        F: Handler<A> + Send + Sync,
        A: Arguments + FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::GET, path, handle)
    }

    pub fn post<F, A>(path: &'static str, handle: F) -> Self
    where
        F: Handler<A> + Send + Sync,
        A: Arguments + FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::POST, path, handle)
    }

    pub fn patch<F, A>(path: &'static str, handle: F) -> Self
    where
        F: Handler<A> + Send + Sync,
        A: Arguments + FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::PATCH, path, handle)
    }

    /// Asks for more than the handler's arguments do.
    #[must_use]
    pub fn requiring(mut self, access: Access) -> Self {
        self.access = self.access.max(access);
        self.asks = true;
        self
    }

    /// A tenant that does without `module` does without this endpoint.
    #[must_use]
    pub fn switched_with(mut self, module: &'static str) -> Self {
        self.module = Some(module);
        self
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

/// An argument of a handler, and what it asks of the caller. A permission says who may call; other arguments say nothing.
pub trait Argument {
    const PERMISSION: Option<Access> = None;
}

/// All arguments of a handler.
pub trait Arguments {
    /// The strictest of their permissions.
    const PERMISSION: Option<Access>;
}

const fn stricter(one: Option<Access>, other: Option<Access>) -> Option<Access> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one as u8 > other as u8 { one } else { other }),
        (Some(only), None) | (None, Some(only)) => Some(only),
        (None, None) => None,
    }
}

macro_rules! arguments {
    ($($argument:ident)*) => {
        impl<$($argument: Argument),*> Arguments for ($($argument,)*) {
            const PERMISSION: Option<Access> = {
                let strictest: Option<Access> = None;
                $(let strictest = stricter(strictest, $argument::PERMISSION);)*
                strictest
            };
        }
    };
}

arguments! {}
arguments! { A }
arguments! { A B }
arguments! { A B C }
arguments! { A B C D }
arguments! { A B C D E }
arguments! { A B C D E F }
arguments! { A B C D E F G }
arguments! { A B C D E F G H }

impl<T: 'static> Argument for web::Data<T> {}
impl Argument for actix_web::HttpRequest {}
impl<T: 'static> Argument for web::Path<T> {}
