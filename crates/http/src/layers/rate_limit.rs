//! Enforces rate limits before the body is read or the database is asked, and states the limits in headers.
//!
//! An endpoint names its bucket ([`crate::endpoint::Endpoint::bucket`]); a path without an endpoint has the bucket of
//! its path. Preflights, which [`super::origin`] answers, and endpoints that expect nothing, such as `/health`, are
//! not counted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use primetech_kernel::tenancy::Tenant;

use super::address::ClientAddress;
use super::facts::RequestFacts;
use super::refuse;
use crate::context::HttpContext;
use crate::endpoint::{Argument, Endpoint};
use crate::error::{ApiError, Code};
use crate::rate_limits::{Bucket, Standing, Subject, write_headers};

/// The bucket of each endpoint.
pub struct Buckets(HashMap<&'static str, Vec<(Method, Bucket)>>);

impl Buckets {
    pub fn of_endpoints(endpoints: &[Endpoint]) -> Self {
        let mut buckets: HashMap<_, Vec<_>> = HashMap::new();
        for endpoint in endpoints {
            buckets.entry(endpoint.path).or_default().push((endpoint.method.clone(), endpoint.bucket));
        }
        Self(buckets)
    }

    fn of(&self, request: &ServiceRequest) -> Bucket {
        // What may be got may be asked about, at the same price.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let extensions = request.extensions();
        let route = extensions.get::<Rc<RequestFacts>>().and_then(|facts| facts.route());
        route
            .and_then(|route| self.0.get(route))
            .and_then(|methods| methods.iter().find(|(known, _)| known == method))
            .map_or_else(|| Bucket::of_path(request.path()), |(_, bucket)| *bucket)
    }
}

/// How the caller stands in each bucket that the request met. A handler that asks a bucket of its own notes it here.
#[derive(Debug, Clone, Default)]
pub struct Standings(Rc<RefCell<Vec<Standing>>>);

impl Standings {
    /// In place of what was noted of the same bucket.
    pub fn note(&self, standing: Standing) {
        let mut standings = self.0.borrow_mut();
        standings.retain(|noted| noted.policy.bucket != standing.policy.bucket);
        standings.push(standing);
    }
}

impl Argument for Standings {}

impl FromRequest for Standings {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // None where limits are switched off: what is noted then is told to nobody.
        ready(Ok(request.extensions().get::<Self>().cloned().unwrap_or_default()))
    }
}

pub async fn layer(
    state: HttpContext,
    buckets: Rc<Buckets>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let address = request.extensions().get::<ClientAddress>().copied();
    let Some(ClientAddress(address)) = address else {
        return Ok(refuse(request, ApiError::internal("a request without an address")));
    };
    let tenant = request.extensions().get::<Arc<Tenant>>().map(|tenant| tenant.id);
    let subject = Subject::Address { tenant, address };
    let Some(standing) = state.rate_limiter.take(buckets.of(&request), &subject).await else {
        return next.call(request).await;
    };
    let standings = Standings::default();
    standings.note(standing);
    let mut response = if standing.allowed {
        request.extensions_mut().insert(standings.clone());
        next.call(request).await?
    } else {
        refuse(request, refusal(&standing))
    };
    write_headers(response.headers_mut(), &standings.0.borrow());
    Ok(response)
}

/// Refuses a call that reached no tenant, which is counted by its address alone: names are not guessed for nothing.
pub(crate) async fn refuse_without_tenant(
    state: &HttpContext,
    request: ServiceRequest,
    error: ApiError,
) -> ServiceResponse {
    let address = request.extensions().get::<ClientAddress>().copied();
    let standing = match address {
        Some(ClientAddress(address)) => {
            let subject = Subject::Address { tenant: None, address };
            state.rate_limiter.take(Bucket::Other, &subject).await
        }
        None => None,
    };
    let Some(standing) = standing else { return refuse(request, error) };
    let error = if standing.allowed { error } else { refusal(&standing) };
    let mut response = refuse(request, error);
    write_headers(response.headers_mut(), &[standing]);
    response
}

/// What a call too many is answered, in whatever bucket it was one too many.
pub fn refusal(standing: &Standing) -> ApiError {
    metrics::counter!("rate_limited_total", "bucket" => standing.policy.bucket.name()).increment(1);
    ApiError::new(Code::RATE_LIMITED).retry_after(standing.more_after)
}
