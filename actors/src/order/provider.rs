//! The payment provider, as a checkout needs it.

use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use super::views::CheckoutView;

/// Makes the pages that orders are paid on.
pub trait PaymentPages: Send + Sync {
    /// Makes a page, or, with a key that was used before, answers with the one made then.
    fn make(&self, wanted: NewPage) -> LocalBoxFuture<'_, Result<CheckoutView, PageFailure>>;
}

/// What the provider is asked for. It compares all of it if an idempotency key comes again: a repeated request is built
/// from what was stored with the order, `expires_at` included.
#[derive(Debug, Clone)]
pub struct NewPage {
    /// 1 to 255 characters, stored with the payment before the first call.
    pub idempotency_key: String,
    pub order_id: Uuid,
    pub order_number: String,
    pub tenant_id: Uuid,
    /// ISO 4217, upper case.
    pub currency: String,
    pub lines: Vec<PageLine>,
    pub customer_email: String,
    pub success_url: String,
    pub cancel_url: String,
    /// 30 minutes to 24 hours from now.
    pub expires_at: DateTime<Utc>,
}

/// So many units of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageLine {
    pub name: String,
    /// In the currency's minor unit.
    pub unit_amount: i64,
    pub quantity: u32,
}

/// Why there is no page, and what tells whether another try under the key can succeed.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct PageFailure {
    /// Without secrets: it is logged.
    pub reason: String,
    /// The provider gave the answer to an earlier request again.
    pub replayed: bool,
    /// How often it failed inside.
    pub server_errors: u32,
}
