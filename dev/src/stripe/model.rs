//! What the stand-in remembers of each object: the facts, not the JSON. `render` makes Stripe's JSON from them.
//! A payment intent, its charge, refunds and dispute are one record, because they change together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) unit_amount: i64,
    pub(super) quantity: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentStatus {
    Unpaid,
    Paid,
    NoPaymentRequired,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) expires_at: i64,
    pub(super) currency: String,
    pub(super) lines: Vec<Line>,
    pub(super) amount_total: i64,
    pub(super) success_url: String,
    pub(super) cancel_url: Option<String>,
    pub(super) client_reference_id: Option<String>,
    pub(super) customer_email: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    /// For the payment intent that paying will make.
    pub(super) payment_metadata: BTreeMap<String, String>,
    pub(super) payment_description: Option<String>,
    pub(super) status: SessionStatus,
    pub(super) payment_status: PaymentStatus,
    pub(super) payment_intent: Option<String>,
    /// The address the payer gave on the pay page.
    pub(super) payer_email: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentState {
    Processing,
    Succeeded,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentMethod {
    Card,
    BankDebit,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) intent_id: String,
    pub(super) charge_id: String,
    pub(super) payment_method_id: String,
    pub(super) session_id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) description: Option<String>,
    pub(super) email: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) method: PaymentMethod,
    pub(super) state: PaymentState,
    pub(super) refunds: Vec<Refund>,
    pub(super) dispute: Option<Dispute>,
}

impl Payment {
    pub(super) fn amount_refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) reason: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DisputeStatus {
    NeedsResponse,
    Won,
    Lost,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) status: DisputeStatus,
}

/// `payload` is the event as it was first rendered: every delivery sends the same bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) created: i64,
    pub(super) payload: String,
    pub(super) delivery: Delivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Delivery {
    /// Not yet accepted by the endpoint; taken up again after a restart.
    Pending,
    Delivered,
    /// The endpoint refused it too often, or there is none.
    Abandoned,
}

/// What was answered under an idempotency key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedAnswer {
    pub(super) key: String,
    pub(super) fingerprint: [u8; 32],
    pub(super) at: i64,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// A created session, rendered again as it was then: far smaller to keep than its JSON.
    CreatedSession(String),
    Body {
        status: u16,
        body: String,
    },
}
