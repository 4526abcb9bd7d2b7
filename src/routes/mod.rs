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
pub mod licences;
pub mod orders;
mod pdf;
pub mod receipts;
pub mod releases;
pub mod storage;
pub mod webhooks;

pub use health::readiness::Readiness;
pub use primetech_http::endpoint::{Access, Endpoint, Expects};

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
