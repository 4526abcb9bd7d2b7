//! The shapes of the contract ("Locked: commerce").

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An order. Amounts are integers in the currency's minor unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    pub id: Uuid,
    pub number: String,
    /// `PENDING`, `PAID`, `FAILED`, `EXPIRED` or `REFUNDED`.
    pub status: String,
    pub currency: String,
    pub total: i64,
    pub items: Vec<ItemView>,
    pub invoice_number: String,
    pub receipt_number: Option<String>,
    pub created_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
}

/// A line of an order or invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemView {
    pub sku: String,
    pub name: String,
    pub quantity: i32,
    pub unit_amount: i64,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceView {
    pub number: String,
    /// `OPEN`, `PAID`, `VOID` or `REFUNDED`.
    pub status: String,
    pub order_id: Uuid,
    pub order_number: String,
    pub currency: String,
    pub subtotal: i64,
    pub tax: i64,
    pub total: i64,
    pub lines: Vec<ItemView>,
    pub bill_to: BillTo,
    pub issued_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
}

/// Whom an invoice is made out to: as it was then, never changed after.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct BillTo {
    pub name: Option<String>,
    pub email: String,
}

impl std::fmt::Debug for BillTo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BillTo(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptView {
    pub number: String,
    pub order_id: Uuid,
    pub order_number: String,
    pub invoice_number: String,
    pub currency: String,
    pub total: i64,
    pub paid_at: DateTime<Utc>,
    pub provider: String,
    pub provider_payment_id: Option<String>,
}

/// The provider's page for one payment, as the answer to a checkout shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutView {
    pub session_id: String,
    pub url: String,
    pub expires_at: DateTime<Utc>,
}
