//! What every request passes through, in the locked order.
//!
//! Around everything, [`edge`]: the request's id, the access log line, the catching of panics, the whole request's
//! timeout, the canonical error and the security headers; beneath it [`wire`], for what never becomes a request, and beside it
//! [`unread`], for bodies that nobody wants any more. Then,
//! for everything under `/api`:
//!
//! 1. [`tenant`]: the host names the tenant. Cross-origin headers ([`origin`]) follow at once, since they depend on
//!    nothing but the tenant and belong on refusals too.
//! 2. [`rate_limit`]: who calls too often is refused, before anything of a body is read.
//! 3. [`raw_body`]: a webhook's body is taken as it is. Its path needs no tenant and none of what follows.
//! 4. [`json`]: the body is bounded and parsed.
//! 5. [`cookies`]: the session's cookie is read.
//! 6. [`session`]: the session is looked up; mutations from foreign origins are refused.
//! 7. the routes ([`crate::endpoint`]): 404, 405, or an endpoint. What it asks of the caller are the types of
//!    [`permission`] among its arguments.
//! 8. errors: made canonical by [`edge`].
//!
//! A layer refuses by answering, never by an `Err` that would hide the matched route from the layers around it.

pub mod address;
mod body;
pub mod canonical;
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
pub mod wire;

use actix_web::dev::{ServiceRequest, ServiceResponse};

use crate::error::ApiError;

pub use canonical::KeptCanonical;

fn refuse(request: ServiceRequest, error: ApiError) -> ServiceResponse {
    request.error_response(error)
}
