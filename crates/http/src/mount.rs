//! Turns the route table into actix-web's resources.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpMessage as _, HttpResponse, Resource, Route, guard, web};
use primetech_kernel::tenancy::Tenant;

use crate::context::HttpContext;
use crate::endpoint::{API_ROOTS, Access, Endpoint, Expects};
use crate::error::{ApiError, Code};
use crate::layers::permission::{Admin, SignedIn};
use crate::layers::rate_limit::{self, Buckets};
use crate::layers::{json, origin, raw_body, session, tenant};

/// Registers `endpoints`, each behind the layers that it expects, in the locked order. What lies under `/api` or `/v1` and
/// is none of them is answered 404 behind the same layers.
pub fn mount(config: &mut web::ServiceConfig, state: &HttpContext, endpoints: &[Endpoint]) {
    let buckets = Rc::new(Buckets::of_endpoints(endpoints));
    let limited = || {
        let (state, buckets) = (state.clone(), Rc::clone(&buckets));
        from_fn(move |request, next: Next<BoxBody>| {
            rate_limit::layer(state.clone(), Rc::clone(&buckets), request, next)
        })
    };
    let mut roots = API_ROOTS.map(|root| (root, web::scope(root)));
    for (path, of_path) in by_path(endpoints) {
        match of_path[0].expects {
            Expects::TenantAndJson => {
                roots = roots.map(|(root, scope)| match path.strip_prefix(root) {
                    Some(inner) if inner.starts_with('/') => (root, scope.service(resource(inner, &of_path))),
                    _ => (root, scope),
                });
            }
            Expects::Tenant => {
                let state = state.clone();
                let layer =
                    from_fn(move |request, next: Next<BoxBody>| tenant::layer(state.clone(), request, next));
                config.service(resource(path, &of_path).wrap(limited()).wrap(layer));
            }
            Expects::RawBody => {
                let state = state.clone();
                let layer = from_fn(move |request, next: Next<BoxBody>| {
                    raw_body::layer(state.clone(), request, next)
                });
                config.service(resource(path, &of_path).wrap(layer).wrap(limited()));
            }
            Expects::Nothing => {
                config.service(resource(path, &of_path));
            }
        }
    }
    // After the paths with layers of their own: the first that matches is taken.
    for (_, scope) in roots {
        let (s1, s2, s3, s4) = (state.clone(), state.clone(), state.clone(), state.clone());
        // The last one wrapped is the first to see a request.
        let scope = scope
            .default_service(web::to(nothing_here))
            .wrap(from_fn(move |request, next: Next<BoxBody>| session::layer(s4.clone(), request, next)))
            .wrap(from_fn(move |request, next: Next<BoxBody>| json::layer(s3.clone(), request, next)))
            .wrap(limited())
            .wrap(from_fn(move |request, next: Next<BoxBody>| origin::layer(s2.clone(), request, next)))
            .wrap(from_fn(move |request, next: Next<BoxBody>| tenant::layer(s1.clone(), request, next)));
        config.service(scope);
    }
    config.default_service(web::to(nothing_here));
}

async fn nothing_here() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(Code::NOT_FOUND))
}

/// A path with all its endpoints.
type OfPath<'a> = (&'static str, Vec<&'a Endpoint>);

/// Literal segments go before parameters, so `/bookings/track` is not taken for a booking's reference.
fn by_path(endpoints: &[Endpoint]) -> Vec<OfPath<'_>> {
    let mut paths: BTreeMap<Vec<(bool, &str)>, OfPath<'_>> = BTreeMap::new();
    for endpoint in endpoints {
        let segments = endpoint.path.split('/').map(|segment| (segment.starts_with('{'), segment)).collect();
        paths.entry(segments).or_insert_with(|| (endpoint.path, Vec::new())).1.push(endpoint);
    }
    paths.into_values().collect()
}

/// One path with all its methods.
fn resource(
    path: &str,
    endpoints: &[&Endpoint],
) -> Resource<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>
    + use<>,
> {
    let allow = allowed(endpoints);
    let mut resource = web::resource(path);
    for endpoint in endpoints {
        resource = resource.route(route(endpoint));
    }
    // All of one path are of one module: `Modules` sees to it.
    let module = endpoints.first().and_then(|endpoint| endpoint.module);
    resource
        .default_service(web::to(move || {
            let error = ApiError::method_not_allowed(allow.clone());
            async move { Err::<HttpResponse, _>(error) }
        }))
        .wrap(from_fn(move |request, next: Next<BoxBody>| switched_on(module, request, next)))
}

/// What a tenant does without answers it as what is not there, whatever the method.
async fn switched_on(
    module: Option<&'static str>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_off = module.is_some_and(|module| {
        let extensions = request.extensions();
        let tenant = extensions.get::<Arc<Tenant>>();
        tenant.is_some_and(|tenant| {
            tenant.switched_off_modules.iter().any(|switched_off| switched_off == module)
        })
    });
    if is_off { Ok(request.error_response(ApiError::new(Code::NOT_FOUND))) } else { next.call(request).await }
}

fn route(endpoint: &Endpoint) -> Route {
    let access = endpoint.access;
    let route = (endpoint.route)();
    let route = if endpoint.method == Method::GET {
        // Whatever may be got may be asked about: RFC 9110, 9.1.
        route.guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        route.method(endpoint.method.clone())
    };
    match access {
        Access::Public => route,
        Access::Session | Access::Admin => {
            route.wrap(from_fn(move |request, next: Next<BoxBody>| permitted(access, request, next)))
        }
    }
}

/// The table's word holds even where a handler forgot to ask.
async fn permitted(
    access: Access,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let verdict = match access {
        Access::Public => Ok(()),
        Access::Session => request.extract::<SignedIn>().await.map(|_| ()),
        Access::Admin => request.extract::<Admin>().await.map(|_| ()),
    };
    match verdict {
        Ok(()) => next.call(request).await,
        Err(error) => Ok(request.error_response(error)),
    }
}

/// The `Allow` header of a path.
fn allowed(endpoints: &[&Endpoint]) -> HeaderValue {
    let mut methods: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.method.as_str()).collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    let list = methods.into_iter().collect::<Vec<_>>().join(", ");
    // Methods are tokens, which a header takes.
    HeaderValue::from_str(&list).unwrap_or_else(|_| HeaderValue::from_static(""))
}
