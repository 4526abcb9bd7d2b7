//! Sends events to the webhook endpoint as Stripe does: signed at each attempt, the same bytes and event id each
//! time, and again with growing pauses until the endpoint accepts. An event outlives a restart until then.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::Sha256;

use super::core::Core;
use super::ids::shuffle;
use super::mode::{DeliveryOptions, WebhookMode};
use super::model::Delivery;

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_RETRIES: u32 = 20;
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: usize = 64 * 1_024;

/// How one sending of one event went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryReport {
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    /// The endpoint's HTTP status, where it answered.
    status: Option<u16>,
    error: Option<String>,
    /// Kept back until the release.
    held: bool,
}

impl DeliveryReport {
    fn accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sends a batch of events, or keeps it back while webhooks are on hold. Answers when each was tried as often as the
/// options say; what was not accepted is tried again in the background.
pub(super) async fn deliver(
    core: Arc<Core>,
    events: Vec<String>,
    options: DeliveryOptions,
) -> Vec<DeliveryReport> {
    if core.mode().webhooks == WebhookMode::Hold {
        let reports = events.iter().map(|id| DeliveryReport { held: true, ..report(&core, id) }).collect();
        core.state().held_events.extend(events);
        return reports;
    }
    send_batch(core, events, options).await
}

/// Delivers without anyone waiting, in the way the mode says.
pub(super) fn deliver_in_background(core: &Arc<Core>, events: Vec<String>) {
    if !events.is_empty() {
        let options = core.mode().delivery.clone();
        let core = Arc::clone(core);
        tokio::spawn(async move { drop(deliver(core, events, options).await) });
    }
}

/// Sends the batch whatever the mode says.
pub(super) async fn send_batch(
    core: Arc<Core>,
    events: Vec<String>,
    options: DeliveryOptions,
) -> Vec<DeliveryReport> {
    let mut batch: Vec<String> = Vec::with_capacity(events.len() * options.times as usize);
    for event in events {
        batch.extend(std::iter::repeat_n(event, options.times as usize));
    }
    if options.shuffle {
        shuffle(&mut batch);
    }
    tokio::time::sleep(Duration::from_millis(options.delay_ms)).await;
    if options.concurrent {
        let attempts = batch.iter().map(|event| attempt_then_retry(&core, event));
        return futures_util::future::join_all(attempts).await;
    }
    let mut reports = Vec::with_capacity(batch.len());
    for event in &batch {
        reports.push(attempt_then_retry(&core, event).await);
    }
    reports
}

async fn attempt_then_retry(core: &Arc<Core>, event_id: &str) -> DeliveryReport {
    let report = attempt(core, event_id).await;
    if !report.accepted() && core.endpoint().is_some() && core.begin_retrying(event_id) {
        tokio::spawn(retry(Arc::clone(core), event_id.to_owned()));
    }
    report
}

/// Tries one event until it is accepted, by this loop or by another sending.
async fn retry(core: Arc<Core>, event_id: String) {
    let mut delay = core.retry_first_delay;
    let mut tries = 0;
    let outcome = loop {
        tokio::time::sleep(delay).await;
        if core.mode().webhooks == WebhookMode::Hold {
            continue;
        }
        let pending = core.state().event(&event_id).is_some_and(|event| event.delivery == Delivery::Pending);
        if !pending || attempt(&core, &event_id).await.accepted() {
            break None;
        }
        tries += 1;
        delay = (delay * 2).min(LONGEST_RETRY_DELAY);
        if tries == MAX_RETRIES {
            break Some(Delivery::Abandoned);
        }
    };
    if let Some(delivery) = outcome {
        tracing::warn!(event_id, "the webhook endpoint refused an event too often; redeliver it by hand");
        core.state().mark_delivery(&event_id, delivery);
    }
    core.end_retrying(&event_id);
}

fn report(core: &Core, event_id: &str) -> DeliveryReport {
    let kind = core.state().event(event_id).map(|event| event.kind.clone()).unwrap_or_default();
    DeliveryReport { event_id: event_id.to_owned(), kind, status: None, error: None, held: false }
}

async fn attempt(core: &Core, event_id: &str) -> DeliveryReport {
    let mut report = report(core, event_id);
    match tokio::time::timeout(ATTEMPT_TIMEOUT, post(core, event_id)).await {
        Ok(Ok(status)) => report.status = Some(status),
        Ok(Err(error)) => report.error = Some(error),
        Err(_) => report.error = Some(format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())),
    }
    if report.accepted() {
        core.state().mark_delivery(event_id, Delivery::Delivered);
    } else {
        tracing::debug!(event_id, status = report.status, error = report.error, "a webhook was not accepted");
    }
    report
}

/// The endpoint's status, or what kept the event from it.
async fn post(core: &Core, event_id: &str) -> Result<u16, String> {
    let endpoint = core.endpoint().ok_or("no webhook endpoint is set")?;
    let payload = core.state().event(event_id).map(|event| event.payload.clone());
    let payload = payload.ok_or("the event is no longer kept")?;
    let _permit = core.permits.acquire().await.map_err(|error| error.to_string())?;
    let signature = signature_header(core.webhook_secret.expose_secret(), core.now(), payload.as_bytes());
    let request = Request::post(endpoint)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("accept", "*/*; q=0.5, application/xml")
        .header("cache-control", "no-cache")
        .header("stripe-signature", signature)
        .body(Full::new(Bytes::from(payload)))
        .map_err(|error| error.to_string())?;
    let response = core.client.request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    // Read to its end, so that the connection can serve the next delivery.
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    body.map_err(|error| format!("status {status}, but its body broke off: {error}"))?;
    Ok(status)
}

/// `t=<seconds>,v1=<hex of HMAC-SHA256 over "<seconds>.<payload>">`.
fn signature_header(secret: &str, timestamp: i64, payload: &[u8]) -> String {
    // HMAC takes keys of every length; were that to fail, an empty signature is refused by every endpoint.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return format!("t={timestamp},v1=");
    };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(payload);
    let mut header = format!("t={timestamp},v1=");
    for byte in mac.finalize().into_bytes() {
        for digit in [byte >> 4, byte & 15] {
            header.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    header
}
