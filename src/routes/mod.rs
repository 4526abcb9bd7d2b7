//! The endpoints of domains that are not modules yet.
//!
//! One file an endpoint, `routes/<domain>/<verb>.rs`, exports its `endpoint()`; [`endpoints`] lists them. The list
//! gives the resources (grouped by path, so a known path with another method gets 405 with `Allow`), the access
//! rules, the OpenAPI document and the tests that cover every endpoint.

pub mod checkout;
pub mod currencies;
pub mod docs;
pub mod health;
pub mod invoices;
pub mod orders;
mod pdf;
pub mod receipts;
pub mod webhooks;

pub use health::readiness::Readiness;
pub use primetech_http::endpoint::{Access, Endpoint, Expects};

/// The endpoints that belong to no module of their own.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        health::alive::endpoint(),
        health::ready::endpoint(),
        health::metrics::endpoint(),
        docs::openapi::endpoint(),
        docs::page::endpoint(),
        docs::asset::endpoint(),
        currencies::list::endpoint(),
        checkout::start::endpoint(),
        orders::list::endpoint(),
        orders::get::endpoint(),
        invoices::get::endpoint(),
        invoices::pdf::endpoint(),
        receipts::get::endpoint(),
        receipts::pdf::endpoint(),
        webhooks::stripe::endpoint(),
    ]
}
