//! The control API under `/_standin/`, for scripts and tests: makes payments happen, and Stripe misbehave.
//! JSON in and out. It has no key: the stand-in listens on loopback only.
//!
//! - `POST sessions/{id}/pay` `{outcome?: "paid"|"async_pending"|"async_succeeded"|"async_failed"|"declined"|"expired",
//!   email?, evenIfExpired?, tamper?: {fields laid over the session in its events}}`
//! - `POST charges/{id}/refund` or `payment_intents/{id}/refund` `{amount?}`
//! - `POST charges/{id}/dispute` or `payment_intents/{id}/dispute` `{action: "create"|"won"|"lost"}`
//! - `POST events` `{type, object}`: an event of any type about any object
//! - `POST events/{id}/redeliver`
//! - `GET mode`, `POST mode` `{api?: "ok"|"refuse"|"hang"|"unavailable"|"error500"|"rate_limited"|"answer_twice", count?,
//!   latencyMs?, webhooks?: "ok"|"hold", delivery?}`: how Stripe behaves; `count` is for how many API requests.
//!   `refuse`, `hang`, `unavailable` and `rate_limited` fail before the idempotency key is looked at; the answer of
//!   `error500` is stored under it
//! - `POST release` `{times?, delayMs?, shuffle?, concurrent?}`: sends the events held back
//!
//! All but the last two take `deliver?: {times?, delayMs?, shuffle?, concurrent?}` and `wait?` (true), and answer with
//! `events` and, where they wait, `deliveries`: how each first sending went.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use super::core::Core;
use super::delivery::{deliver, send_batch};
use super::mode::{DeliveryOptions, ModeChange};
use super::payments::{self, DisputeAction, NewRefund, Outcome, PayOptions};
use super::render::{self, EventCause};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PayBody {
    #[serde(default = "paid")]
    outcome: Outcome,
    email: Option<String>,
    #[serde(default)]
    even_if_expired: bool,
    #[serde(default)]
    tamper: Map<String, Value>,
    deliver: Option<DeliveryOptions>,
    #[serde(default = "yes")]
    wait: bool,
}

fn paid() -> Outcome {
    Outcome::Paid
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundBody {
    amount: Option<i64>,
    deliver: Option<DeliveryOptions>,
    #[serde(default = "yes")]
    wait: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DisputeBody {
    action: DisputeAction,
    deliver: Option<DeliveryOptions>,
    #[serde(default = "yes")]
    wait: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventBody {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
    deliver: Option<DeliveryOptions>,
    #[serde(default = "yes")]
    wait: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliverBody {
    deliver: Option<DeliveryOptions>,
    #[serde(default = "yes")]
    wait: bool,
}

/// A refused control request: a status and what was wrong.
pub(super) struct Refused(pub(super) u16, pub(super) String);

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        // The object is in no state for it: here there are no keys to store that under.
        let status = if error.saved && error.status == 400 { 409 } else { error.status };
        Self(status, error.to_json()["error"]["message"].as_str().unwrap_or_default().to_owned())
    }
}

/// An empty body is an empty object.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refused(400, error.to_string()))
}

pub(super) async fn answer(
    core: &Arc<Core>,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Value, Refused> {
    let segments: Vec<&str> =
        path.trim_start_matches("/_standin/").trim_end_matches('/').split('/').collect();
    match (method, segments.as_slice()) {
        ("POST", ["sessions", id, "pay"]) => {
            let body: PayBody = parse(body)?;
            let options =
                PayOptions { email: body.email, even_if_expired: body.even_if_expired, tamper: body.tamper };
            let checked = checked(core, body.deliver)?;
            let (events, session) = {
                let mut state = core.state();
                let events = payments::settle(core, &mut state, id, body.outcome, &options)?;
                (events, state.session(id).map(|session| render::session(session, &core.base_url)))
            };
            let mut answer = sent(core, events, checked, body.wait).await;
            answer["session"] = json!(session);
            Ok(answer)
        }
        ("POST", ["charges" | "payment_intents", id, "refund"]) => {
            let body: RefundBody = parse(body)?;
            let checked = checked(core, body.deliver)?;
            let new = NewRefund { amount: body.amount, ..NewRefund::default() };
            let (refund, events) =
                payments::refund(core, &mut core.state(), id, new, &EventCause::default())?;
            let mut answer = sent(core, events, checked, body.wait).await;
            answer["refund"] = refund;
            Ok(answer)
        }
        ("POST", ["charges" | "payment_intents", id, "dispute"]) => {
            let body: DisputeBody = parse(body)?;
            let checked = checked(core, body.deliver)?;
            let events = payments::dispute(core, &mut core.state(), id, body.action)?;
            Ok(sent(core, events, checked, body.wait).await)
        }
        ("POST", ["events"]) => {
            let body: EventBody = parse(body)?;
            let checked = checked(core, body.deliver)?;
            let event =
                core.record_event(&mut core.state(), &body.kind, &body.object, &EventCause::default())?;
            Ok(sent(core, vec![event], checked, body.wait).await)
        }
        ("POST", ["events", id, "redeliver"]) => {
            let body: DeliverBody = parse(body)?;
            let options = checked(core, body.deliver)?;
            if core.state().event(id).is_none() {
                return Err(ApiError::no_such("event", "id", id).into());
            }
            Ok(sent(core, vec![(*id).to_owned()], options, body.wait).await)
        }
        ("POST", ["release"]) => {
            let options: DeliveryOptions = parse(body)?;
            options.check().map_err(|message| Refused(400, message))?;
            let held = std::mem::take(&mut core.state().held_events);
            let deliveries = send_batch(Arc::clone(core), held.clone(), options).await;
            Ok(json!({ "events": events(core, &held), "deliveries": deliveries }))
        }
        ("GET", ["mode"]) => Ok(json!(core.mode().clone())),
        ("POST", ["mode"]) => {
            let change: ModeChange = parse(body)?;
            let mode = {
                let mut mode = core.mode();
                mode.apply(change).map_err(|message| Refused(400, message))?;
                mode.clone()
            };
            core.announce_mode_change();
            Ok(json!(mode))
        }
        _ => Err(Refused(404, format!("the control API has no {method} {path}"))),
    }
}

fn checked(core: &Core, options: Option<DeliveryOptions>) -> Result<DeliveryOptions, Refused> {
    let options = options.unwrap_or_else(|| core.mode().delivery.clone());
    options.check().map_err(|message| Refused(400, message))?;
    Ok(options)
}

/// The events and, where the caller waits for them, how their first sendings went.
async fn sent(core: &Arc<Core>, ids: Vec<String>, options: DeliveryOptions, wait: bool) -> Value {
    let events = events(core, &ids);
    let delivery = deliver(Arc::clone(core), ids, options);
    if wait {
        json!({ "events": events, "deliveries": delivery.await })
    } else {
        tokio::spawn(async move { drop(delivery.await) });
        json!({ "events": events, "deliveries": [] })
    }
}

fn events(core: &Core, ids: &[String]) -> Vec<Value> {
    let state = core.state();
    let found = ids.iter().filter_map(|id| state.event(id));
    found.map(|event| json!({ "id": event.id, "type": event.kind })).collect()
}
