use actix::Message;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::views::*;
pub use crate::caller::Viewer;
use crate::fault::Fault;
use crate::idempotency::{HeldClaim, SavedAnswer};
use crate::identifiers::{InvoiceNumber, OrderNumber, ReceiptNumber};
use crate::page::{Page, PageRequest};
use crate::tenancy::TenantScope;

/// How a client names an order.
#[derive(Debug, Clone)]
pub enum OrderRef {
    Id(Uuid),
    Number(OrderNumber),
}

#[derive(Message)]
#[rtype(result = "Result<Option<OrderView>, Fault>")]
pub struct GetOrder {
    pub viewer: Viewer,
    pub order: OrderRef,
}

#[derive(Message)]
#[rtype(result = "Result<Page<OrderView>, Fault>")]
pub struct ListOrders {
    pub viewer: Viewer,
    pub page: PageRequest,
}

#[derive(Message)]
#[rtype(result = "Result<Option<InvoiceView>, Fault>")]
pub struct GetInvoice {
    pub viewer: Viewer,
    pub number: InvoiceNumber,
}

#[derive(Message)]
#[rtype(result = "Result<Option<ReceiptView>, Fault>")]
pub struct GetReceipt {
    pub viewer: Viewer,
    pub number: ReceiptNumber,
}

/// Where a customer is sent after a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPages {
    pub success_url: String,
    pub cancel_url: String,
}

/// An attempt at having an order paid at the provider. All that the provider is told of it follows from what is stored,
/// so that it can be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: i32,
    pub started_at: DateTime<Utc>,
    /// Of the order's first request; none where that was not noted.
    pub returns: Option<ReturnPages>,
    /// The session that it came to, where that is known.
    pub checkout: Option<CheckoutView>,
}

/// Gives an attempt up and begins the next one, which is noted before anyone asks the provider for it. Answers with the
/// present attempt: where another one was begun meanwhile, with that.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Attempt, Fault>")]
pub struct BeginAttempt {
    pub scope: TenantScope,
    pub order_id: Uuid,
    /// The one that is given up.
    pub after: i32,
}

/// Asks for all attempts at a payment: when each began, and its session where one is known.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Vec<AttemptRecord>, Fault>")]
pub struct ListAttempts {
    pub scope: TenantScope,
    pub order_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AttemptRecord {
    pub started_at: DateTime<Utc>,
    pub session_id: Option<String>,
}

/// Ties a payment to the Checkout Session that was made for it, and keeps the answer for the request's key.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<(), Fault>")]
pub struct AttachCheckout {
    pub scope: TenantScope,
    pub order_id: Uuid,
    /// The attempt that came to this session; none where it was found at the provider.
    pub attempt: Option<i32>,
    pub checkout: CheckoutView,
    pub answer: Option<(HeldClaim, SavedAnswer)>,
}
