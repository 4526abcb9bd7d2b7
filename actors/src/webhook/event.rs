//! Reads an event: which of the provider's events matter here, and what they must contain.
//!
//! Reads plain JSON, so a field or value that a later version of the provider adds does not break it. It reads
//! untrusted input, so it is fuzzed, and public for that.

use chrono::{DateTime, Datelike, Utc};
use serde_json::Value;
use uuid::Uuid;

/// An event as far as its envelope goes.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub kind: String,
    /// When it happened by the provider's clock, to the second; none where the provider does not say.
    pub created: Option<DateTime<Utc>>,
    pub content: Content,
}

/// The type of the one event that the provider does not send.
pub(crate) const ABANDONED: &str = "primetech.order.abandoned";

/// What the ids of the reconciler's own events begin with: no id of the provider does.
pub(crate) const RECONCILED: &str = "reconciled_";

/// Times that an event may bear. One outside of them is taken for no time at all.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

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
    Malformed { fault: String, subject: Subject },
}

/// What an event is about, as far as that can be read. A provider's account may be shared: what it tells of may be none
/// of ours.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subject {
    pub reference: Reference,
    /// The tenant and order that we marked it with.
    pub named: Option<(Uuid, Uuid)>,
}

/// The provider's id that leads to a payment: of the Checkout Session or payment intent.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Reference {
    Known(String),
    /// A charge that was made without a payment intent. All of ours have one.
    Absent,
    /// Nothing that could be an id.
    #[default]
    Unreadable,
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
    /// The tenant and order that we marked the payment with. Refunds and disputes do not bear it, charges do.
    pub named: Option<(Uuid, Uuid)>,
    pub what: IntentEvent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum IntentEvent {
    /// So much of the charge altogether.
    Refunded {
        in_full: bool,
        amount_refunded: i64,
    },
    /// The money of a refund came back.
    RefundFailed {
        refund_id: String,
        amount: i64,
    },
    Disputed {
        dispute_id: String,
    },
    DisputeClosed {
        dispute_id: String,
        lost: bool,
    },
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
        let created = created
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .filter(|time| YEARS.contains(&time.year()));
        let null = Value::Null;
        let object = body.get("data").and_then(|data| data.get("object")).unwrap_or(&null);
        let content = read(&kind, object).unwrap_or_else(|missing| Content::Malformed {
            fault: format!("no valid {missing}"),
            subject: Subject::read(&kind, object),
        });
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
        // Told under several names, in all of which the object is the refund.
        "refund.failed" => return refund_failed(object),
        "refund.updated" | "charge.refund.updated" => {
            return match text(object, "status")? {
                // A refund that was called off did not reach the customer either.
                "failed" | "canceled" => refund_failed(object),
                _ => Ok(Content::Nothing),
            };
        }
        "charge.dispute.created" => {
            return intent(object, IntentEvent::Disputed { dispute_id: text(object, "id")?.to_owned() });
        }
        "charge.dispute.closed" | "charge.dispute.updated" => {
            let dispute_id = text(object, "id")?.to_owned();
            let what = match text(object, "status")? {
                // Only this takes the money away.
                "lost" => IntentEvent::DisputeClosed { dispute_id, lost: true },
                "won" | "warning_closed" | "prevented" => {
                    IntentEvent::DisputeClosed { dispute_id, lost: false }
                }
                // An inquiry that was closed without a dispute ends like a won one.
                _ if kind == "charge.dispute.closed" => {
                    IntentEvent::DisputeClosed { dispute_id, lost: false }
                }
                _ => IntentEvent::Disputed { dispute_id },
            };
            return intent(object, what);
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
    Ok(Content::Intent(IntentFact { payment_intent, named: named(object), what }))
}

fn refund_failed(object: &Value) -> Result<Content, Missing> {
    let refund_id = text(object, "id")?.to_owned();
    intent(object, IntentEvent::RefundFailed { refund_id, amount: amount(object, "amount")? })
}

impl Subject {
    fn read(kind: &str, object: &Value) -> Self {
        let is_session = kind.starts_with("checkout.session.");
        let reference = match (reference(object, "payment_intent"), text(object, "id")) {
            (_, Ok(id)) if is_session => Reference::Known(id.to_owned()),
            (Some(intent), _) if !is_session => Reference::Known(intent),
            _ if !is_session && object.get("payment_intent").is_none_or(Value::is_null) => Reference::Absent,
            _ => Reference::Unreadable,
        };
        Self { reference, named: named(object) }
    }
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
