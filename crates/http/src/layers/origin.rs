//! The origins that may call the API (the tenant's domains and the front end), and the further sites that a checkout
//! may return to.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};
use primetech_kernel::tenancy::Tenant;
use url::Url;

use super::host;
use crate::context::HttpContext;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("content-type, idempotency-key, x-request-id");
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, idempotency-replayed, \
     ratelimit-policy, ratelimit, ratelimit-limit, ratelimit-remaining, ratelimit-reset",
);
const PREFLIGHT_LIFETIME: HeaderValue = HeaderValue::from_static("600");

/// Lets the pages of known sites read answers, and answers their preflights. To others nothing is said: their
/// browsers then keep the answer from them.
pub async fn layer(
    state: HttpContext,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let allowed = match sent_origin(&request) {
        SentOrigin::One(origin) if !is_foreign(&state, &request) => Some(origin),
        _ => None,
    };
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &allowed {
        Some(_) if is_preflight => request.into_response(preflight()),
        _ => next.call(request).await?,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        allow(headers, origin);
    }
    Ok(response)
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFETIME))
        .finish()
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
}

enum SentOrigin {
    None,
    One(HeaderValue),
    Several,
}

fn sent_origin(request: &ServiceRequest) -> SentOrigin {
    let mut origins = request.headers().get_all(header::ORIGIN);
    match (origins.next(), origins.next()) {
        (None, _) => SentOrigin::None,
        (Some(origin), None) => SentOrigin::One(origin.clone()),
        (Some(_), Some(_)) => SentOrigin::Several,
    }
}

/// Whether the request says that it was made by a page of some other site. `null`, what cannot be read and more than
/// one origin are foreign; no origin at all is not: what is no browser sends none.
pub(super) fn is_foreign(state: &HttpContext, request: &ServiceRequest) -> bool {
    let origin = match sent_origin(request) {
        SentOrigin::None => return false,
        SentOrigin::Several => return true,
        SentOrigin::One(origin) => origin,
    };
    let Some(origin_host) = origin.to_str().ok().and_then(host_of) else {
        return true;
    };
    let extensions = request.extensions();
    let domains = extensions.get::<Arc<Tenant>>().map_or(&[][..], |tenant| &tenant.domains);
    let own = extensions.get::<host::RequestHost>().is_some_and(|own| own.0 == origin_host);
    !(own || is_front_end(state, &origin_host) || domains.contains(&origin_host))
}

fn is_front_end(state: &HttpContext, host: &str) -> bool {
    host_of(state.app_base_url.as_str()).is_some_and(|front_end| front_end == host)
}

/// Whether a customer may be sent to `url` after a checkout: to the tenant's own hosts or site, the front end, or an
/// origin that the operator allowed the tenant. Anywhere else, a link to the shop could end at a stranger's page.
pub fn may_return_to(state: &HttpContext, tenant: &Tenant, url: &Url) -> bool {
    let is_own = url
        .host_str()
        .and_then(host::fold)
        .is_some_and(|host| tenant.domains.contains(&host) || is_front_end(state, &host));
    let is_site = || {
        let site = tenant.site_url.as_deref().and_then(|site| Url::parse(site).ok());
        site.is_some_and(|site| site.origin() == url.origin())
    };
    is_own || is_site() || tenant.return_origins.contains(&url.origin().ascii_serialization())
}

/// The host of a web origin, folded as tenants' domains are.
fn host_of(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
        return None;
    }
    host::fold(url.host_str()?)
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn origins_are_compared_by_host() {
        assert_eq!(host_of("https://Demo.Example:8443").as_deref(), Some("demo.example"));
        assert_eq!(host_of("http://[::1]:3000").as_deref(), Some("::1"));
        for foreign in
            ["null", "", "demo.example", "file://", "chrome-extension://abc", "https://demo.example@evil"]
        {
            assert_eq!(host_of(foreign), None, "{foreign}");
        }
    }
}
