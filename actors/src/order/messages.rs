use actix::Message;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::views::*;
use crate::fault::Fault;
use crate::idempotency::{HeldClaim, IdempotencyClaim, KeptAnswer};
use crate::identifiers::{InvoiceNumber, OrderNumber, ReceiptNumber};
use crate::page::{Page, PageRequest};
use crate::session::{Role, Session};
use crate::tenancy::TenantScope;

/// Whose things are looked at: a customer sees its own, an admin all of the tenant's.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    pub scope: TenantScope,
    pub user_id: Uuid,
    sees_all: bool,
}

impl Viewer {
    /// For the platform's own deliveries: sees all of the tenant.
    pub(crate) fn of_platform(scope: TenantScope) -> Self {
        Self { scope, user_id: Uuid::nil(), sees_all: true }
    }

    /// None where all users' rows may be seen: the parameter of the queries' owner filter.
    pub(crate) fn only_user(&self) -> Option<Uuid> {
        (!self.sees_all).then_some(self.user_id)
    }
}

impl From<&Session> for Viewer {
    fn from(session: &Session) -> Self {
        Self { scope: session.scope(), user_id: session.user.id, sees_all: session.user.role >= Role::Admin }
    }
}

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
    pub answer: Option<(HeldClaim, KeptAnswer)>,
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
    pub answer: Option<KeptAnswer>,
}
