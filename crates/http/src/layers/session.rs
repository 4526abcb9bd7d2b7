//! Who is asking: the session of the cookie, looked up for this tenant.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use primetech_kernel::caller::Session;
use primetech_kernel::tenancy::Tenant;

use super::{cookies, origin, refuse};
use crate::context::HttpContext;
use crate::error::{ApiError, Code};

/// The live session, if there is one. Kept in the request's extensions; asked for through [`super::permission`].
#[derive(Debug, Clone)]
pub(super) struct Asking(pub Option<Arc<Session>>);

pub async fn layer(
    state: HttpContext,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match find(&state, &request).await {
        Ok(session) => {
            request.extensions_mut().insert(Asking(session));
            next.call(request).await
        }
        Err(error) => Ok(refuse(request, error)),
    }
}

async fn find(state: &HttpContext, request: &ServiceRequest) -> Result<Option<Arc<Session>>, ApiError> {
    let carries_cookie = request.cookie(cookies::SESSION).is_some();
    let cookie = cookies::read(request);
    if carries_cookie && !request.method().is_safe() && origin::is_foreign(state, request) {
        return Err(ApiError::new(Code::ORIGIN_FORBIDDEN));
    }
    let tenant = request.extensions().get::<Arc<Tenant>>().cloned();
    let (Some(token), Some(tenant)) = (cookie.0, tenant) else {
        return Ok(None);
    };
    Ok(state.authenticator.session(&tenant.scope(), &token).await?)
}
