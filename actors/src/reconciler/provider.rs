//! The questions to the payment provider, in the product's own types.

use std::future::Future;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::webhook::event::{ABANDONED, RECONCILED};

/// A Checkout Session as the provider has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    pub session_id: String,
    /// The tenant and order that it was made for, as it was told.
    pub named: Option<(Uuid, Uuid)>,
    /// Only while it can be paid.
    pub url: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub payment_intent: Option<String>,
    /// When the money was taken, where the provider tells.
    pub paid_at: Option<DateTime<Utc>>,
    pub standing: Standing,
}

/// How far its payment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It can still be paid.
    Open,
    /// Money was taken, or none was due.
    Paid {
        amount: i64,
        currency: String,
    },
    /// Completed, but the money is still on its way.
    Awaiting,
    /// Completed, and the money did not come.
    Failed,
    Expired,
    /// Something that this program does not know.
    Unknown,
}

/// Why the provider did not tell. Without secrets: it is logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It cannot be asked at present, about this or any other session.
    #[error("{0}")]
    Unavailable(String),
    /// It answers, and knows no such session.
    #[error("the provider has no such session")]
    Missing,
}

/// An event as the provider would have delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEvent {
    pub id: String,
    /// Its type.
    pub kind: &'static str,
    pub payment_intent: Option<String>,
    pub payload: String,
}

/// Answers questions about Checkout Sessions and events.
pub trait Provider: Send + Sync + 'static {
    fn session(&self, session_id: &str) -> impl Future<Output = Result<SessionState, AskError>> + Send;

    /// The sessions of an order that were made within this time, whether we noted them or not.
    fn find_sessions(
        &self,
        order_id: Uuid,
        made: std::ops::RangeInclusive<DateTime<Utc>>,
    ) -> impl Future<Output = Result<Vec<SessionState>, AskError>> + Send;

    /// The events of these types that were made within this time, the oldest first; none where there are more of them
    /// than it reads at once.
    fn events(
        &self,
        kinds: &'static [&'static str],
        made: std::ops::RangeInclusive<DateTime<Utc>>,
    ) -> impl Future<Output = Result<Option<Vec<ProviderEvent>>, AskError>> + Send;
}

/// The event that tells of the session what a lost one would have told; none where nothing follows yet.
///
/// Its id names session and outcome: asked twice, it is the same event.
pub(super) fn event_of(session: &SessionState) -> Option<Value> {
    let (name, kind, payment_status) = match session.standing {
        Standing::Paid { .. } => ("paid", "checkout.session.completed", "paid"),
        Standing::Failed => ("failed", "checkout.session.async_payment_failed", "unpaid"),
        Standing::Expired => ("expired", "checkout.session.expired", "unpaid"),
        Standing::Open | Standing::Awaiting | Standing::Unknown => return None,
    };
    let mut object = json!({
        "id": session.session_id,
        "object": "checkout.session",
        "payment_status": payment_status,
        "payment_intent": session.payment_intent,
    });
    if let Standing::Paid { amount, currency } = &session.standing {
        object["amount_total"] = json!(amount);
        object["currency"] = json!(currency);
    }
    if let Some((tenant_id, order_id)) = session.named {
        object["metadata"] = json!({ "tenantId": tenant_id, "orderId": order_id });
    }
    let mut event = json!({
        "id": format!("{RECONCILED}{}_{name}", session.session_id),
        "object": "event",
        "type": kind,
        "data": { "object": object },
    });
    if let (Standing::Paid { .. }, Some(paid_at)) = (&session.standing, session.paid_at) {
        event["created"] = json!(paid_at.timestamp());
    }
    Some(event)
}

/// The event that ends an order for which no session can be paid any more, because none was ever given out.
pub(super) fn abandoned(tenant_id: Uuid, order_id: Uuid) -> Value {
    json!({
        "id": format!("{RECONCILED}{order_id}_abandoned"),
        "object": "event",
        "type": ABANDONED,
        "data": { "object": { "metadata": { "tenantId": tenant_id, "orderId": order_id } } },
    })
}
