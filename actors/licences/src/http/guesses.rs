//! Detects attempts to guess licence keys.
//!
//! A key is one of 36^12, so guessing finds none; an attempt is still worth an alarm. This counts each answer that a
//! licence does not exist. A client that gets more of them than mistyping explains raises the alarm: a metric with a
//! Prometheus rule, and a log line. Neither contains the key, which may be another tenant's real one. Nothing is
//! refused here; rate limits do that.

use primetech_http::context::HttpContext;
use primetech_http::layers::address::ClientAddress;
use primetech_http::rate_limits::{Bucket, Subject};
use primetech_kernel::tenancy::Tenant;

/// Notes that `client` asked for a licence that does not exist.
pub(super) async fn note(http: &HttpContext, tenant: &Tenant, client: ClientAddress) {
    metrics::counter!("licence_unknown_keys_total").increment(1);
    let subject = Subject::Address { tenant: Some(tenant.id), address: client.0 };
    let Some(standing) = http.rate_limiter.take(Bucket::UnknownLicences, &subject).await else {
        return;
    };
    if !standing.allowed {
        metrics::counter!("licence_guesses_total").increment(1);
    } else if standing.remaining == 0 {
        // Told once, when the last tolerated one was asked for; how it goes on, the figures tell. Where it came
        // from stands in the proxy's log, under the request's id.
        tracing::warn!(
            tenant = tenant.slug,
            keys = standing.policy.limit,
            seconds = standing.policy.window.as_secs(),
            "one address asks for licence keys that nobody has"
        );
    }
}
