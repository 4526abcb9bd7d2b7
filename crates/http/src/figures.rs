//! Metrics of requests: the number in flight, the number answered, and their duration.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{counter, gauge, histogram};

/// Counts a request as being answered for as long as it lives.
pub struct InFlight(());

impl InFlight {
    pub fn begin() -> Self {
        gauge!("http_requests_in_flight").increment(1.0);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!("http_requests_in_flight").decrement(1.0);
    }
}

/// Notes an answer. `route` is the pattern that matched, if any did.
pub fn answered(method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
    let method = known(method);
    let route = route.unwrap_or("none").to_owned();
    counter!("http_requests_total", "method" => method, "route" => route.clone(), "status" => status.as_u16().to_string())
        .increment(1);
    histogram!("http_request_duration_seconds", "method" => method, "route" => route)
        .record(took.as_secs_f64());
}

/// Clients may invent methods; labels may not grow with them.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
