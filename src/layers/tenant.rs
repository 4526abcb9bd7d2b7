//! Which tenant a request is for.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use primetech_actors::tenancy::{Resolution, Tenant};

use super::facts::Facts;
use super::{host, rate_limit};
use crate::app::State;
use crate::error::{ApiError, Code};

pub(crate) async fn layer(
    state: State,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match resolve(&state, &host::current(&request)).await {
        Ok(tenant) => {
            if let Some(facts) = request.extensions().get::<std::rc::Rc<Facts>>() {
                facts.know_tenant(&tenant.slug);
            }
            request.extensions_mut().insert(tenant);
            next.call(request).await
        }
        Err(error) => Ok(rate_limit::refuse_without_tenant(&state, request, error).await),
    }
}

async fn resolve(state: &State, host: &str) -> Result<Arc<Tenant>, ApiError> {
    if host.is_empty() {
        return Err(ApiError::new(Code::TenantNotFound));
    }
    match state.actors.tenants.resolve(host).await? {
        Resolution::Active(tenant) => Ok(tenant),
        Resolution::Inactive => Err(ApiError::new(Code::TenantInactive)),
        Resolution::Unknown => Err(ApiError::new(Code::TenantNotFound)),
    }
}
