//! The span of a request: the root of its trace in this process, and part of the caller's trace if there is one.

use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use primetech_kernel::trace;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A request's two spans. The one is for logs: each line within it bears its fields. The other is for traces, and is none
/// where there are none. Both are entered: what writes logs does not see the other.
#[derive(Debug, Clone)]
pub(crate) struct RequestSpans {
    logged: Span,
    traced: Span,
}

impl RequestSpans {
    pub(crate) fn begin(method: &Method, headers: &HeaderMap, request_id: &str) -> Self {
        let logged = tracing::info_span!("request", id = request_id, tenant = Empty, route = Empty);
        let traced = tracing::debug_span!(
            target: trace::TARGET,
            parent: &logged,
            "http",
            otel.name = method.as_str(),
            otel.kind = "server",
            otel.status_code = Empty,
            request_id,
            tenant = Empty,
            http.request.method = method.as_str(),
            http.route = Empty,
            http.response.status_code = Empty,
        );
        if !traced.is_disabled() {
            let caller =
                TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
            // It was not started yet, so that this can only fail where there are no traces.
            let _set = traced.set_parent(caller);
        }
        Self { logged, traced }
    }

    /// Does something of the request within both.
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.logged.in_scope(|| self.traced.in_scope(work))
    }

    /// The same, for what takes time.
    pub(crate) fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.instrument(self.traced.clone()).instrument(self.logged.clone())
    }

    pub(crate) fn know_tenant(&self, slug: &str) {
        self.logged.record("tenant", slug);
        self.traced.record("tenant", slug);
    }

    pub(crate) fn know_route(&self, method: &Method, route: &str) {
        self.logged.record("route", route);
        if !self.traced.is_disabled() {
            self.traced.record("http.route", route);
            self.traced.record("otel.name", format!("{method} {route}"));
        }
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.traced.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            self.traced.record("otel.status_code", "ERROR");
        }
    }
}

/// The headers, as the reader of `traceparent` and `tracestate` wants them.
struct Headers<'request>(&'request HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
