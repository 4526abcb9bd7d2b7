//! The outermost layer: every request gets one well-formed answer and one log line.
//!
//! It wraps actix-web's `App` and works on the bare HTTP request. Inside the `App` no copy of the request may be held
//! during routing, and an answer needs one.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::{HttpMessage, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, apply_fn_factory};
use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use futures_util::FutureExt;

use super::canonical;
use super::facts::{REQUEST_ID, RequestFacts};
use super::outcome::Outcome;
use super::{security_headers, unread};
use crate::endpoint::is_api;
use crate::figures::{self, InFlight};

/// What the outermost layer is set to.
#[derive(Debug, Clone, Copy)]
pub struct EdgeSettings {
    pub request_timeout: Duration,
    /// Browsers are told to come back over TLS only.
    pub strict_transport: bool,
}

/// Puts the layer around an application.
pub fn wrap<I, F, B>(
    application: I,
    settings: EdgeSettings,
) -> impl ServiceFactory<
    Request,
    Config = F::Config,
    Response = Response<BoxBody>,
    Error = Error,
    InitError = F::InitError,
>
where
    I: IntoServiceFactory<F, Request>,
    F: ServiceFactory<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    apply_fn_factory(application, move |mut request: Request, service: &F::Service| {
        let method = request.method().clone();
        let path_is_api = is_api(request.path());
        let facts = RequestFacts::of(&method, request.headers());
        request.extensions_mut().insert(Rc::clone(&facts));
        let unread = unread::hold(&mut request);
        let called =
            facts.spans().in_scope(|| panic::catch_unwind(AssertUnwindSafe(|| service.call(request))));
        let in_flight = InFlight::begin();
        let spans = facts.spans().clone();
        spans.around(async move {
            let _in_flight = in_flight;
            let started = Instant::now();
            let outcome = match called {
                Ok(call) => outcome(call, settings.request_timeout).await,
                Err(payload) => Outcome::Panic(payload),
            };
            let mut response = canonical::answer(outcome, &method, facts.request_id());
            let headers = response.headers_mut();
            security_headers::add(headers, path_is_api, settings.strict_transport);
            // An error that is answered once more keeps the id that its body names.
            if !headers.contains_key(REQUEST_ID)
                && let Ok(id) = HeaderValue::from_str(facts.request_id())
            {
                headers.insert(REQUEST_ID, id);
            }
            let took = started.elapsed();
            figures::answered(&method, facts.route(), response.status(), took);
            facts.spans().answered(response.status());
            log(&method, &facts, &response, took);
            Ok(match unread {
                Some(unread) => unread.until_sent(response.into()),
                None => response.into(),
            })
        })
    })
}

async fn outcome<B: MessageBody + 'static>(
    call: impl Future<Output = Result<ServiceResponse<B>, Error>>,
    timeout: Duration,
) -> Outcome {
    // What a panic leaves half done is this request's own state, which nobody looks at again.
    match tokio::time::timeout(timeout, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(Ok(response))) => Outcome::Answered(response.map_into_boxed_body()),
        Ok(Ok(Err(error))) => Outcome::Failed(error),
        Ok(Err(payload)) => Outcome::Panic(payload),
        Err(_) => Outcome::TimedOut,
    }
}

fn log(method: &Method, facts: &RequestFacts, response: &actix_web::HttpResponse, took: Duration) {
    let tenant = facts.tenant();
    tracing::info!(
        target: "access",
        method = method.as_str(),
        route = facts.route().unwrap_or("-"),
        status = response.status().as_u16(),
        tenant = tenant.as_deref().unwrap_or("-"),
        milliseconds = took.as_secs_f64() * 1000.0,
        "answered"
    );
}
