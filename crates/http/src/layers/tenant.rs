//! The tenant of a request.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use primetech_kernel::tenancy::{Resolution, Tenant};

use super::facts::RequestFacts;
use super::{host, rate_limit};
use crate::context::HttpContext;
use crate::error::{ApiError, Code};

pub async fn layer(
    state: HttpContext,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match resolve(&state, &host::current(&request)).await {
        Ok(tenant) => {
            if let Some(facts) = request.extensions().get::<std::rc::Rc<RequestFacts>>() {
                facts.know_tenant(&tenant.slug);
            }
            request.extensions_mut().insert(tenant);
            next.call(request).await
        }
        Err(error) => Ok(rate_limit::refuse_without_tenant(&state, request, error).await),
    }
}

async fn resolve(state: &HttpContext, host: &str) -> Result<Arc<Tenant>, ApiError> {
    if host.is_empty() {
        return Err(ApiError::new(Code::TENANT_NOT_FOUND));
    }
    match state.tenants.resolve(host).await? {
        Resolution::Active(tenant) => Ok(tenant),
        Resolution::Inactive => Err(ApiError::new(Code::TENANT_INACTIVE)),
        Resolution::Unknown => Err(ApiError::new(Code::TENANT_NOT_FOUND)),
    }
}
