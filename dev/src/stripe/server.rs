//! The stand-in's HTTP server: connections, bodies, and which part answers what.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;

use super::api::{self, ApiAnswer, ApiRequest, NoAnswer};
use super::control::{self, Refused};
use super::core::Core;
use super::pay_page;
use super::render::API_VERSION;

const MAX_BODY_BYTES: usize = 1_024 * 1_024;
/// Longer than clients keep idle connections, so that a client seldom writes to one just closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(90);
/// A pause after a failed accept (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the future is dropped.
pub(super) async fn serve(core: Arc<Core>, listener: TcpListener) -> Infallible {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the Stripe stand-in could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers on kept connections: without this the last packet waits for an acknowledgement.
        drop(stream.set_nodelay(true));
        let core = Arc::clone(&core);
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(Arc::clone(&core), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the Stripe stand-in ended early");
            }
        });
    }
}

async fn respond(core: Arc<Core>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        return Ok(json_response(
            413,
            json!({ "error": { "message": "The body is too large." } }).to_string(),
        ));
    };
    let body = body.to_bytes();
    let path = head.uri.path().to_owned();
    if path.starts_with("/v1/") {
        let request = ApiRequest {
            query: head.uri.query().unwrap_or_default().to_owned(),
            authorization: text_header(&head.headers, "authorization"),
            idempotency_key: text_header(&head.headers, "idempotency-key"),
            method: head.method,
            path,
            body,
        };
        return api::answer(core, request).await.map(api_response);
    }
    if path.starts_with("/_standin/") {
        let answer = control::answer(&core, head.method.as_str(), &path, &body).await;
        return Ok(match answer {
            Ok(value) => json_response(200, value.to_string()),
            Err(Refused(status, message)) => {
                json_response(status, json!({ "error": { "message": message } }).to_string())
            }
        });
    }
    if let Some(id) = path.strip_prefix("/c/pay/") {
        return Ok(match head.method {
            Method::GET => pay_page::show(&core, id, head.uri.query().unwrap_or_default()),
            Method::POST => pay_page::submit(&core, id, &body).await,
            _ => json_response(405, json!({ "error": { "message": "GET or POST" } }).to_string()),
        });
    }
    Ok(json_response(404, json!({ "error": { "message": "Nothing here." } }).to_string()))
}

fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn json_response(status: u16, body: String) -> Response<Full<Bytes>> {
    response(status, "application/json", body)
}

pub(super) fn response(status: u16, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache, no-store"));
    response
}

fn api_response(answer: ApiAnswer) -> Response<Full<Bytes>> {
    let mut response = json_response(answer.status, answer.body);
    let headers = response.headers_mut();
    headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    set(headers, HeaderName::from_static("request-id"), &answer.request_id);
    if let Some(key) = &answer.idempotency_key {
        set(headers, HeaderName::from_static("idempotency-key"), key);
    }
    if answer.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    if let Some(should_retry) = answer.should_retry {
        set(headers, HeaderName::from_static("stripe-should-retry"), &should_retry.to_string());
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
