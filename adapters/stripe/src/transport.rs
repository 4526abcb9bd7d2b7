//! Sends async-stripe's requests over persistent connections. The library's own client opens a new connection, with a
//! TLS handshake, for each request. Redirects are not followed; one call here is one HTTP request.

use std::fmt::Display;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use stripe_client_core::{
    CustomizedStripeRequest, RequestStrategy, StripeClient, StripeClientErr, StripeMethod, VERSION,
};
use url::Url;

use crate::error::ProviderConfigError;

const DEFAULT_API_BASE: &str = "https://api.stripe.com";
const AGENT: &str = concat!("primetech/", env!("CARGO_PKG_VERSION"));
/// Shorter than servers keep idle connections, so that we seldom write to one just closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
const MAX_IDLE_CONNECTIONS: usize = 64;
/// A session with a hundred line items stays far below.
const MAX_ANSWER_BYTES: usize = 4 * 1_024 * 1_024;

enum Connections {
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
    /// For a stand-in; works on machines without root certificates.
    Plain(Client<HttpConnector, Full<Bytes>>),
}

pub(super) struct Transport {
    connections: Connections,
    /// Scheme and host, without a slash at the end.
    api_base: String,
    authorization: HeaderValue,
}

/// How one HTTP request failed.
#[derive(Debug)]
pub(super) enum TransportError {
    Connect,
    Broken,
    Timeout,
    Status(Box<ErrorAnswer>),
    InvalidAnswer(String),
    Unsendable(String),
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct ErrorAnswer {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    /// Stripe's own word on whether another try makes sense.
    pub(super) should_retry: Option<bool>,
    pub(super) retry_after: Option<Duration>,
    /// Given before under the request's idempotency key, and stored with it.
    pub(super) replayed: bool,
    pub(super) error: ErrorBody,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    error: ErrorBody,
}

impl StripeClientErr for TransportError {
    fn deserialize_err(message: impl Display) -> Self {
        Self::InvalidAnswer(message.to_string())
    }
}

impl Transport {
    pub(super) fn new(
        secret_key: &SecretString,
        api_base: Option<Url>,
        connect_timeout: Duration,
    ) -> Result<Self, ProviderConfigError> {
        let secret_key = secret_key.expose_secret();
        let mut authorization = HeaderValue::try_from(format!("Bearer {secret_key}"))
            .map_err(|_| ProviderConfigError::InvalidSecretKey)?;
        authorization.set_sensitive(true);
        let (api_base, tls) = match api_base {
            None => (DEFAULT_API_BASE.to_owned(), true),
            Some(url) => check_api_base(&url)?,
        };
        let live = secret_key.starts_with("sk_live_") || secret_key.starts_with("rk_live_");
        if live && !tls {
            return Err(ProviderConfigError::LiveKeyInClear);
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS);
        let connections = if tls {
            connector.enforce_http(false);
            let with_roots = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(|error| ProviderConfigError::RootCertificates(error.to_string()))?;
            Connections::Tls(builder.build(with_roots.https_only().enable_http1().wrap_connector(connector)))
        } else {
            Connections::Plain(builder.build(connector))
        };
        Ok(Self { connections, api_base, authorization })
    }

    fn request(&self, request: CustomizedStripeRequest) -> Result<Request<Full<Bytes>>, TransportError> {
        let (request, config) = request.into_pieces();
        let mut uri = format!("{}/v1{}", self.api_base, request.path);
        if let Some(query) = request.query.filter(|query| !query.is_empty()) {
            uri.push('?');
            uri.push_str(&query);
        }
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let mut builder = Request::builder()
            .method(method)
            .uri(uri)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, AGENT)
            .header("stripe-version", VERSION.as_str());
        match config.request_strategy {
            None | Some(RequestStrategy::Once) => {}
            Some(RequestStrategy::Idempotent(key)) => {
                builder = builder.header("idempotency-key", key.as_str())
            }
            // These would invent a key; our own retry loop stands above this transport.
            Some(_) => {
                return Err(TransportError::Unsendable("this transport sends a request once".to_owned()));
            }
        }
        if request.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::from(request.body.unwrap_or_default()));
        builder.body(body).map_err(|error| TransportError::Unsendable(error.to_string()))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        match &self.connections {
            Connections::Tls(client) => client.request(request).await,
            Connections::Plain(client) => client.request(request).await,
        }
    }
}

fn check_api_base(url: &Url) -> Result<(String, bool), ProviderConfigError> {
    let tls = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(ProviderConfigError::InvalidApiBase),
    };
    let bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !bare || !url.has_host() {
        return Err(ProviderConfigError::InvalidApiBase);
    }
    Ok((url.as_str().trim_end_matches('/').to_owned(), tls))
}

impl Transport {
    /// Reads what the library has no type for here. `path` begins with a slash and is followed by the encoded query.
    pub(super) async fn get(&self, path: &str) -> Result<Bytes, TransportError> {
        let request = Request::get(format!("{}/v1{path}", self.api_base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, AGENT)
            .header("stripe-version", VERSION.as_str())
            .body(Full::new(Bytes::new()))
            .map_err(|error| TransportError::Unsendable(error.to_string()))?;
        self.answer(request).await
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Bytes, TransportError> {
        let response = self.send(request).await.map_err(|error| {
            if error.is_connect() { TransportError::Connect } else { TransportError::Broken }
        })?;
        let (head, body) = response.into_parts();
        let body =
            Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|_| TransportError::Broken)?;
        let body = body.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        // A proxy in between may answer with something that is not Stripe's error; its status still counts.
        let error =
            serde_json::from_slice::<ErrorEnvelope>(&body).map(|envelope| envelope.error).unwrap_or_default();
        Err(TransportError::Status(Box::new(ErrorAnswer {
            status: head.status.as_u16(),
            request_id: text(&head.headers, "request-id"),
            should_retry: text(&head.headers, "stripe-should-retry").and_then(|value| value.parse().ok()),
            retry_after: text(&head.headers, RETRY_AFTER.as_str())
                .and_then(|value| value.parse().ok())
                .map(Duration::from_secs),
            replayed: text(&head.headers, "idempotent-replayed").is_some_and(|value| value == "true"),
            error,
        })))
    }
}

impl StripeClient for Transport {
    type Err = TransportError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, TransportError> {
        self.answer(self.request(request)?).await
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
