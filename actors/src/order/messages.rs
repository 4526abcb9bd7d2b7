use actix::Message;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::views::*;
pub use crate::caller::Viewer;
use crate::fault::Fault;
use crate::idempotency::{HeldClaim, IdempotencyClaim, SavedAnswer};
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

/// Ties a payment to the Checkout Session that was made for it, and keeps the answer for the request's key.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<(), Fault>")]
pub struct AttachCheckout {
    pub scope: TenantScope,
    pub order_id: Uuid,
    pub checkout: CheckoutView,
    pub answer: Option<(HeldClaim, SavedAnswer)>,
}

/// Frees the key of a checkout that does not know whether its order was written: whoever asks again need not wait until
/// this request counts as dead, and is told.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<(), Fault>")]
pub struct AbandonClaim {
    pub scope: TenantScope,
    pub claim: IdempotencyClaim,
    /// When that was known: later claims on the key are others'.
    pub at: DateTime<Utc>,
}

/// Ends a checkout that did not get as far as a Checkout Session: keeps its answer, or frees the key for another try.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<(), Fault>")]
pub struct SettleClaim {
    pub scope: TenantScope,
    pub claim: HeldClaim,
    /// None: nothing is kept, and the same request may be made again at once.
    pub answer: Option<SavedAnswer>,
}
