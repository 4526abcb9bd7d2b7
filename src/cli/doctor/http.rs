//! One HTTP request, for the checks of services: bounded, without redirects.

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, DATE, HeaderValue, USER_AGENT};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};

const AGENT: &str = concat!("primetech/", env!("CARGO_PKG_VERSION"));
const LARGEST_ANSWER: usize = 1024 * 1024;

pub(super) struct Answer {
    pub status: u16,
    /// What the server believes the time to be, in whole seconds.
    pub date: Option<DateTime<Utc>>,
    pub body: Bytes,
}

/// The innermost reason why there is no answer; no URL is in it.
pub(super) async fn get(url: &str, bearer: Option<&SecretString>) -> Result<Answer, String> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|error| format!("the machine's root certificates cannot be read: {error}"))?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut request = Request::get(url).header(USER_AGENT, AGENT);
    if let Some(bearer) = bearer {
        let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret()))
            .map_err(|_| "the key has characters that cannot be sent".to_owned())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| innermost(&error))?;
    let (head, body) = response.into_parts();
    let date = head.headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()).map(|date| date.to_utc());
    let body =
        Limited::new(body, LARGEST_ANSWER).collect().await.map_err(|_| "the answer broke off".to_owned())?;
    Ok(Answer { status: head.status.as_u16(), date, body: body.to_bytes() })
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
