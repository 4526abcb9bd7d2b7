//! The HTTP service of an application, from its outermost layer to its routes.

use std::rc::Rc;

use actix_http::{Request, Response};
use actix_service::ServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpMessage, web};

use crate::context::HttpContext;
use crate::endpoint::Endpoint;
use crate::layers::edge::{self, EdgeSettings};
use crate::layers::facts::RequestFacts;
use crate::layers::{address, host};
use crate::mount::mount;

/// Each thread of a listener has one; who wants to ask without a connection may make another. `configure` adds what
/// handlers are given (`web::Data`) besides the context.
pub fn service<C: FnOnce(&mut web::ServiceConfig)>(
    context: &HttpContext,
    endpoints: &[Endpoint],
    configure: C,
) -> impl ServiceFactory<Request, Config = AppConfig, Response = Response<BoxBody>, Error = Error, InitError = ()>
+ use<C> {
    let settings =
        EdgeSettings { request_timeout: context.limits.request, strict_transport: context.cookies.secure };
    let observed = context.clone();
    let routed = App::new()
        .app_data(web::Data::new(context.clone()))
        .configure(configure)
        .configure(|config| mount(config, context, endpoints))
        .wrap(from_fn(move |request, next: Next<BoxBody>| observe(observed.clone(), request, next)));
    edge::wrap(routed, settings)
}

/// Notes what is known of every request before it is routed.
async fn observe(
    context: HttpContext,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let proxies = &context.trusted_proxies;
    let (client, own_host) = (address::of(&request, proxies), host::of(&request, proxies));
    let route = request.match_pattern();
    {
        let mut extensions = request.extensions_mut();
        if let (Some(facts), Some(route)) = (extensions.get::<Rc<RequestFacts>>(), route) {
            facts.know_route(request.method(), route);
        }
        extensions.insert(client);
        extensions.insert(own_host);
    }
    next.call(request).await
}
