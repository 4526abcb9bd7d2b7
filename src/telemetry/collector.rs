//! The connection to the collector of traces. Only the exporter's own thread uses it, so it may block.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Response};
use tokio::runtime::Runtime;
use url::Url;

/// For one batch of spans, from connecting to the whole answer. Meanwhile others queue up.
const SEND_LIMIT: Duration = Duration::from_secs(3);
/// What a collector answers is a few bytes.
const LARGEST_ANSWER: usize = 64 * 1_024;

#[derive(Debug, thiserror::Error)]
pub(super) enum CollectorError {
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    #[error("the system's root certificates cannot be read: {0}")]
    RootCertificates(io::Error),
}

enum Connections {
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
    /// A collector on the same machine; works where there are no root certificates.
    Plain(Client<HttpConnector, Full<Bytes>>),
}

/// Sends batches of spans, one at a time.
pub(super) struct Collector {
    runtime: Runtime,
    connections: Connections,
    /// Whether the last batch was lost: an outage is one line in the log, not one a batch.
    is_lost: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and the address may hold a token.
        formatter.write_str("Collector")
    }
}

impl Collector {
    pub(super) fn new(endpoint: &Url) -> Result<Self, CollectorError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(CollectorError::Runtime)?;
        let mut connector = HttpConnector::new();
        let builder = Client::builder(TokioExecutor::new());
        let connections = if endpoint.scheme() == "https" {
            connector.enforce_http(false);
            let with_roots =
                HttpsConnectorBuilder::new().with_native_roots().map_err(CollectorError::RootCertificates)?;
            Connections::Tls(builder.build(with_roots.https_only().enable_http1().wrap_connector(connector)))
        } else {
            Connections::Plain(builder.build(connector))
        };
        Ok(Self { runtime, connections, is_lost: AtomicBool::new(false) })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
        let response = match &self.connections {
            Connections::Tls(client) => client.request(request).await?,
            Connections::Plain(client) => client.request(request).await?,
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    fn note(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let fault = match sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let outcome = if fault.is_none() { "sent" } else { "lost" };
        metrics::counter!("trace_exports_total", "outcome" => outcome).increment(1);
        match fault {
            Some(fault) if !self.is_lost.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%fault, "the collector takes no traces; they are lost until it does");
            }
            None if self.is_lost.swap(false, Ordering::Relaxed) => {
                tracing::info!("the collector takes traces again");
            }
            _ => {}
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'life0, 'sent>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'life0: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let request = request.map(Full::new);
            // The exporter's thread has no runtime, and nothing else to do.
            let sent = self.runtime.block_on(async {
                match tokio::time::timeout(SEND_LIMIT, self.send(request)).await {
                    Ok(sent) => sent,
                    Err(_) => Err("no answer in time".into()),
                }
            });
            self.note(&sent);
            sent
        })
    }
}
