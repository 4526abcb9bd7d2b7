//! Looks up the session of the cookie in this tenant. If there are several cookies, the first valid one counts.

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
    let sent = cookies::read(request.headers());
    if sent.any && !request.method().is_safe() && origin::is_foreign(state, request) {
        return Err(ApiError::new(Code::ORIGIN_FORBIDDEN));
    }
    let tenant = request.extensions().get::<Arc<Tenant>>().cloned();
    let Some(tenant) = tenant else {
        return Ok(None);
    };
    for token in sent.tokens.iter() {
        if let Some(session) = state.authenticator.session(&tenant.scope(), token).await? {
            return Ok(Some(session));
        }
    }
    Ok(None)
}
