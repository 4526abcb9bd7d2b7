//! Reads an event: which of the provider's events matter here, and what they must contain.
//!
//! Reads plain JSON, so a field or value that a later version of the provider adds does not break it. It reads
//! untrusted input, so it is fuzzed, and public for that.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// An event as far as its envelope goes.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub kind: String,
    /// When the provider made it, to the second; none where it does not say, as with what the reconciler asked for.
    pub created: Option<DateTime<Utc>>,
    pub content: Content,
}

/// The type of the one event that the provider does not send.
pub(crate) const ABANDONED: &str = "primetech.order.abandoned";

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// About a Checkout Session.
    Session(SessionFact),
    /// About the payment behind a payment intent.
    Intent(IntentFact),
    /// The reconciler's own: no Checkout Session of this order can be paid any more, because none was given out.
    Abandoned { tenant_id: Uuid, order_id: Uuid },
    /// Nothing that matters here.
    Nothing,
    /// It does not hold what its type promises.
    Malformed(String),
}

/// A Checkout Session, and what happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFact {
    pub session_id: String,
    /// The order that we said it was for when we made it.
    pub named: Option<(Uuid, Uuid)>,
    pub payment_intent: Option<String>,
    pub what: SessionEvent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// Money was taken (or none was due).
    Paid {
        amount: i64,
        currency: String,
    },
    /// Completed, but the money is still on its way.
    Awaiting,
    AsyncFailed,
    Expired,
}

#[derive(Debug, Clone, PartialEq)]
pub struct IntentFact {
    pub payment_intent: String,
    pub what: IntentEvent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum IntentEvent {
    Refunded { in_full: bool, amount_refunded: i64 },
    Disputed { dispute_id: String },
    DisputeClosed { dispute_id: String, lost: bool },
}

impl Event {
    /// None where the body is not an event at all: it has no id to be stored under.
    pub fn parse(payload: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(payload).ok()?;
        let id = body.get("id")?.as_str().filter(|id| is_plain(id))?.to_owned();
        let kind = body
            .get("type")
            .and_then(Value::as_str)
            .filter(|kind| is_plain(kind))
            .unwrap_or("unknown")
            .to_owned();
        let created = body.get("created").and_then(Value::as_i64);
        let created = created.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let null = Value::Null;
        let object = body.get("data").and_then(|data| data.get("object")).unwrap_or(&null);
        let content =
            read(&kind, object).unwrap_or_else(|missing| Content::Malformed(format!("no valid {missing}")));
        Some(Self { id, kind, created, content })
    }
}

type Missing = &'static str;

fn read(kind: &str, object: &Value) -> Result<Content, Missing> {
    let what = match kind {
        "checkout.session.completed" => match text(object, "payment_status")? {
            "unpaid" => SessionEvent::Awaiting,
            "paid" | "no_payment_required" => paid(object)?,
            _ => return Err("payment_status"),
        },
        "checkout.session.async_payment_succeeded" => paid(object)?,
        "checkout.session.async_payment_failed" => SessionEvent::AsyncFailed,
        "checkout.session.expired" => SessionEvent::Expired,
        "charge.refunded" => {
            let in_full = object.get("refunded").and_then(Value::as_bool).ok_or("refunded")?;
            return intent(
                object,
                IntentEvent::Refunded { in_full, amount_refunded: amount(object, "amount_refunded")? },
            );
        }
        "charge.dispute.created" => {
            return intent(object, IntentEvent::Disputed { dispute_id: text(object, "id")?.to_owned() });
        }
        "charge.dispute.closed" => {
            // Only `lost` takes the money away; an inquiry that was closed without a dispute ends like a won one.
            let lost = text(object, "status")? == "lost";
            let dispute_id = text(object, "id")?.to_owned();
            return intent(object, IntentEvent::DisputeClosed { dispute_id, lost });
        }
        ABANDONED => {
            let (tenant_id, order_id) = named(object).ok_or("metadata")?;
            return Ok(Content::Abandoned { tenant_id, order_id });
        }
        _ => return Ok(Content::Nothing),
    };
    Ok(Content::Session(SessionFact {
        session_id: text(object, "id")?.to_owned(),
        named: named(object),
        payment_intent: reference(object, "payment_intent"),
        what,
    }))
}

/// The provider's ids and words are short and of visible ASCII; anything else is none of its.
fn is_plain(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn paid(object: &Value) -> Result<SessionEvent, Missing> {
    let currency = text(object, "currency")?.to_ascii_uppercase();
    Ok(SessionEvent::Paid { amount: amount(object, "amount_total")?, currency })
}

fn intent(object: &Value, what: IntentEvent) -> Result<Content, Missing> {
    let payment_intent = reference(object, "payment_intent").ok_or("payment_intent")?;
    Ok(Content::Intent(IntentFact { payment_intent, what }))
}

fn text(object: &Value, field: Missing) -> Result<&str, Missing> {
    object.get(field).and_then(Value::as_str).filter(|text| is_plain(text)).ok_or(field)
}

fn amount(object: &Value, field: Missing) -> Result<i64, Missing> {
    object.get(field).and_then(Value::as_i64).filter(|amount| *amount >= 0).ok_or(field)
}

/// The id of another object: given as it is, or inside the object where the provider expanded it.
fn reference(object: &Value, field: &str) -> Option<String> {
    let value = object.get(field)?;
    value.as_str().or_else(|| value.get("id")?.as_str()).filter(|id| is_plain(id)).map(str::to_owned)
}

/// The tenant and order that the session was made for.
fn named(object: &Value) -> Option<(Uuid, Uuid)> {
    let metadata = object.get("metadata")?;
    let id = |field| Uuid::parse_str(metadata.get(field)?.as_str()?).ok();
    Some((id("tenantId")?, id("orderId")?))
}
