//! The body of a webhook, byte for byte as it was signed.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};

use super::{body, refuse};
use crate::context::HttpContext;
use crate::endpoint::{Access, Argument};
use crate::error::ApiError;

/// The body as it came, of any content type. Only on endpoints whose [`crate::endpoint::Expects`] is `RawBody`.
#[derive(Clone)]
pub struct RawBody(pub Bytes);

/// An event is about a person and a payment: `Debug` prints its length.
impl fmt::Debug for RawBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RawBody({} bytes)", self.0.len())
    }
}

pub async fn layer(
    state: HttpContext,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match body::read(&mut request, state.limits.raw_body, &state.limits).await {
        Ok(bytes) => {
            request.extensions_mut().insert(RawBody(bytes));
            next.call(request).await
        }
        Err(error) => Ok(refuse(request, error)),
    }
}

impl Argument for RawBody {
    // The signature of the body is the permission.
    const PERMISSION: Option<Access> = Some(Access::Public);
}

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let body = request.extensions().get::<Self>().cloned();
        ready(body.ok_or_else(|| ApiError::internal("an endpoint without a raw body asks for one")))
    }
}
