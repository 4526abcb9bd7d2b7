//! What is to be printed: a document's data, and the sheet that it goes on.
//!
//! Amounts are in the minor unit of their currency, which is an ISO 4217 code.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The sheet that a document is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    A4,
    Letter,
}

/// Who sells: the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    pub name: String,
    /// Line by line, as it is to be printed.
    pub address: Vec<String>,
    pub tax_id: Option<String>,
}

/// An invoice in its present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    pub number: String,
    /// `OPEN`, `PAID`, `VOID` or `REFUNDED`. Any other is printed as it is.
    pub status: String,
    pub order_id: Uuid,
    pub order_number: String,
    pub currency: String,
    pub subtotal: i64,
    pub tax: i64,
    pub total: i64,
    pub items: Vec<Item>,
    pub bill_to: BillTo,
    pub issued_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
}

/// What was sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub sku: String,
    pub name: String,
    pub quantity: i32,
    pub unit_amount: i64,
    pub total: i64,
}

/// Whom an invoice is made out to. `Debug` leaves both out.
#[derive(Clone, PartialEq, Eq)]
pub struct BillTo {
    pub name: Option<String>,
    pub email: String,
}

impl std::fmt::Debug for BillTo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BillTo(…)")
    }
}

/// A receipt. Its items, and whom it is made out to, are those of its invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub number: String,
    pub order_id: Uuid,
    pub order_number: String,
    pub invoice_number: String,
    pub currency: String,
    pub total: i64,
    pub paid_at: DateTime<Utc>,
    pub issued_at: DateTime<Utc>,
    /// As programs name it: `STRIPE`.
    pub provider: String,
    pub provider_payment_id: Option<String>,
}
