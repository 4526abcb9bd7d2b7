//! The layers of a request, in their locked order.
//!
//! [`edge`] is around everything: request id, access log, panics, timeout, canonical errors and security headers.
//! Below it, [`connection`] handles what never becomes a request, and [`unread`] handles bodies that are no longer read.
//! Everything under `/api` then passes:
//!
//! 1. [`tenant`]: the host selects the tenant. The cross-origin headers ([`origin`]) follow at once: they depend on
//!    the tenant alone, and refusals need them too.
//! 2. [`rate_limit`]: refuses a client that exceeds its limit, before the body is read.
//! 3. [`raw_body`]: reads the body of a webhook as bytes. Its path needs no tenant and none of the following layers.
//! 4. [`json`]: reads and parses the body within its limits.
//! 5. [`cookies`]: reads the session cookie.
//! 6. [`session`]: looks up the session, and refuses mutations from foreign origins.
//! 7. The routes ([`crate::endpoint`]): 404, 405, or an endpoint. The types of [`permission`] among a handler's
//!    arguments decide who may call it.
//! 8. Errors: [`edge`] makes them canonical.
//!
//! A layer refuses with an answer, never with an `Err`, which would hide the matched route from the layers around it.

pub mod address;
mod body;
pub mod canonical;
pub mod connection;
pub mod cookies;
pub mod edge;
pub mod facts;
pub mod host;
pub mod json;
pub mod origin;
mod outcome;
pub mod permission;
pub mod rate_limit;
pub mod raw_body;
mod security_headers;
pub mod session;
pub mod tenant;
mod unread;

use actix_web::dev::{ServiceRequest, ServiceResponse};

use crate::error::ApiError;

pub use canonical::KeptCanonical;

fn refuse(request: ServiceRequest, error: ApiError) -> ServiceResponse {
    request.error_response(error)
}
