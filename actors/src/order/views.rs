//! The shapes of the contract ("Locked: commerce").

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// An order. Amounts are integers in the currency's minor unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub struct OrderView {
    pub id: Uuid,
    #[schema(example = "ORD-20260131-7K2P", pattern = "^ORD-[0-9]{8}-[A-Z0-9]{4}$")]
    pub number: String,
    /// `PENDING`, `PAID`, `FAILED`, `EXPIRED` or `REFUNDED`.
    #[schema(example = "PAID", pattern = "^(PENDING|PAID|FAILED|EXPIRED|REFUNDED)$")]
    pub status: String,
    /// ISO 4217. `GET /v1/currencies` lists the decimals.
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    #[schema(example = 9800)]
    pub total: i64,
    pub items: Vec<ItemView>,
    #[schema(example = "INV-2026-000042", pattern = "^INV-[0-9]{4}-[0-9]{6}$")]
    pub invoice_number: String,
    #[schema(example = "RCP-2026-000017", pattern = "^RCP-[0-9]{4}-[0-9]{6}$")]
    pub receipt_number: Option<String>,
    pub created_at: DateTime<Utc>,
    /// The payment provider's time of the payment.
    pub paid_at: Option<DateTime<Utc>>,
    /// Where the payment was disputed: `OPEN`, `WON` or `LOST`. Of several disputes a lost one counts first, then an open
    /// one.
    #[schema(example = "OPEN", pattern = "^(OPEN|WON|LOST)$")]
    pub dispute: Option<String>,
}

/// A line of an order or invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Item)]
pub struct ItemView {
    #[schema(example = "editor-pro")]
    pub sku: String,
    #[schema(example = "Editor Pro")]
    pub name: String,
    #[schema(example = 2)]
    pub quantity: i32,
    #[schema(example = 4900)]
    pub unit_amount: i64,
    #[schema(example = 9800)]
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invoice)]
pub struct InvoiceView {
    #[schema(example = "INV-2026-000042", pattern = "^INV-[0-9]{4}-[0-9]{6}$")]
    pub number: String,
    /// `OPEN`, `PAID`, `VOID` or `REFUNDED`.
    #[schema(example = "PAID", pattern = "^(OPEN|PAID|VOID|REFUNDED)$")]
    pub status: String,
    pub order_id: Uuid,
    #[schema(example = "ORD-20260131-7K2P", pattern = "^ORD-[0-9]{8}-[A-Z0-9]{4}$")]
    pub order_number: String,
    /// ISO 4217. `GET /v1/currencies` lists the decimals.
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    #[schema(example = 9800)]
    pub subtotal: i64,
    #[schema(example = 0)]
    pub tax: i64,
    #[schema(example = 9800)]
    pub total: i64,
    pub lines: Vec<ItemView>,
    pub bill_to: BillTo,
    pub issued_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
}

/// Whom an invoice is made out to: as it was then, never changed after.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BillTo {
    #[schema(example = "Jane Doe")]
    pub name: Option<String>,
    #[schema(example = "jane@example.com")]
    pub email: String,
}

impl std::fmt::Debug for BillTo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BillTo(…)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
pub struct ReceiptView {
    #[schema(example = "RCP-2026-000017", pattern = "^RCP-[0-9]{4}-[0-9]{6}$")]
    pub number: String,
    pub order_id: Uuid,
    #[schema(example = "ORD-20260131-7K2P", pattern = "^ORD-[0-9]{8}-[A-Z0-9]{4}$")]
    pub order_number: String,
    #[schema(example = "INV-2026-000042", pattern = "^INV-[0-9]{4}-[0-9]{6}$")]
    pub invoice_number: String,
    /// ISO 4217. `GET /v1/currencies` lists the decimals.
    #[schema(example = "USD", pattern = "^[A-Z]{3}$")]
    pub currency: String,
    #[schema(example = 9800)]
    pub total: i64,
    /// The payment provider's time of the payment.
    pub paid_at: DateTime<Utc>,
    /// Later than the payment where the news of it came late. The number is of this time's UTC year.
    pub issued_at: DateTime<Utc>,
    #[schema(example = "STRIPE")]
    pub provider: String,
    #[schema(example = "pi_3Qk2")]
    pub provider_payment_id: Option<String>,
}

/// The provider's page for one payment, as the answer to a checkout shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Checkout)]
pub struct CheckoutView {
    #[schema(example = "cs_test_a1")]
    pub session_id: String,
    #[schema(example = "https://checkout.stripe.com/c/pay/cs_test_a1", format = "uri")]
    pub url: String,
    pub expires_at: DateTime<Utc>,
}
