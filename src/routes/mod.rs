//! The route table: every endpoint of the process, in one list.
//!
//! One file an endpoint, `routes/<domain>/<verb>.rs`, brings its `endpoint()`; [`endpoints`] names them all. From the
//! list come the resources (grouped by path, so that a known path with another method is answered 405 with `Allow`),
//! the demand for a session or a role, and whatever else has to hold for each of them.

pub mod account;
pub mod admin;
pub mod auth;
pub mod bookings;
pub mod checkout;
pub mod currencies;
pub mod docs;
pub mod health;
pub mod invoices;
mod kept;
pub mod licences;
mod mount;
pub mod orders;
mod pdf;
pub mod receipts;
pub mod releases;
pub mod storage;
pub mod webhooks;

use actix_web::Route;
use actix_web::http::Method;

use crate::openapi::Doc;
use crate::rate_limits::Bucket;

pub use health::readiness::Readiness;
pub(crate) use mount::mount;

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
    /// A tenant's host and JSON: everything under `/api` but webhooks.
    TenantAndJson,
    /// A tenant's host; no body is read. Outside `/api`.
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
    handler: fn() -> Route,
    /// What its own file says of it.
    pub doc: Option<fn() -> Doc>,
}

impl Endpoint {
    pub fn new(method: Method, path: &'static str, access: Access, handler: fn() -> Route) -> Self {
        let expects = if path.starts_with("/api/") { Expects::TenantAndJson } else { Expects::Nothing };
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

/// Every endpoint.
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        health::alive::endpoint(),
        health::ready::endpoint(),
        health::metrics::endpoint(),
        docs::openapi::endpoint(),
        docs::page::endpoint(),
        docs::asset::endpoint(),
        auth::register::endpoint(),
        auth::login::endpoint(),
        auth::logout::endpoint(),
        auth::me::endpoint(),
        auth::verify_email::endpoint(),
        auth::request_password_reset::endpoint(),
        auth::reset_password::endpoint(),
        currencies::list::endpoint(),
        checkout::start::endpoint(),
        orders::list::endpoint(),
        orders::get::endpoint(),
        invoices::get::endpoint(),
        invoices::pdf::endpoint(),
        receipts::get::endpoint(),
        receipts::pdf::endpoint(),
        webhooks::stripe::endpoint(),
        licences::list::endpoint(),
        licences::get::endpoint(),
        licences::validate::endpoint(),
        licences::activate::endpoint(),
        licences::deactivate::endpoint(),
        licences::keys::endpoint(),
        storage::sign::endpoint(),
        releases::list::endpoint(),
        account::list_downloads::endpoint(),
        account::sign_download::endpoint(),
        bookings::create::endpoint(),
        bookings::track::endpoint(),
        admin::list_bookings::endpoint(),
        admin::move_booking::endpoint(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_endpoint_is_listed_twice() {
        let mut seen = HashSet::new();
        for endpoint in endpoints() {
            assert!(
                seen.insert((endpoint.method.clone(), endpoint.path)),
                "{} {}",
                endpoint.method,
                endpoint.path
            );
        }
    }

    #[test]
    fn whoever_is_asked_for_a_session_has_a_tenant() {
        for endpoint in endpoints().iter().filter(|endpoint| endpoint.access != Access::Public) {
            assert_eq!(endpoint.expects, Expects::TenantAndJson, "{}", endpoint.path);
        }
    }
}
