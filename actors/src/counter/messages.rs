use actix::Message;
use uuid::Uuid;

use crate::caller::Session;
use crate::fault::Fault;
use crate::idempotency::{HeldClaim, IdempotencyClaim, Refused};
use crate::money::AmountFault;
use crate::order::{Attempt, InvoiceView, OrderView, ReturnPages};
use crate::tenancy::TenantScope;

/// Who an order is for, taken from the session that asks for it.
#[derive(Clone)]
pub struct Buyer {
    pub scope: TenantScope,
    pub user_id: Uuid,
    pub name: Option<String>,
    pub email: String,
}

impl From<&Session> for Buyer {
    fn from(session: &Session) -> Self {
        Self {
            scope: session.scope(),
            user_id: session.user.id,
            name: session.user.name.clone(),
            email: session.user.email.clone(),
        }
    }
}

/// So many units of a product.
#[derive(Debug, Clone)]
pub struct WantedItem {
    pub sku: String,
    /// 1 to 999.
    pub quantity: i32,
}

/// Writes an order, its items, its invoice with the next number and its payment, all or nothing (Policy B).
///
/// Prices are the catalogue's at that moment. A sku comes once.
#[derive(Message)]
#[rtype(result = "Result<Placed, PlaceOrderError>")]
pub struct PlaceOrder {
    pub buyer: Buyer,
    pub items: Vec<WantedItem>,
    pub returns: ReturnPages,
    /// False where the customer must not be sent to these pages. The key decides first: an order that was placed before
    /// goes on as it is.
    pub may_return: bool,
    pub claim: Option<IdempotencyClaim>,
}

/// An order that is written and waits for its payment.
#[derive(Debug, Clone)]
pub struct Placed {
    pub order: OrderView,
    pub invoice: InvoiceView,
    pub attempt: Attempt,
    /// An earlier request got as far as this order, and may have asked the provider already.
    pub is_resumed: bool,
    /// The request's claim, to be settled with its answer.
    pub claim: Option<HeldClaim>,
}

/// An amount of an order that the provider would not charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotChargeable {
    /// The product stands in the catalogue with a price that no product may have.
    Price {
        sku: String,
        fault: AmountFault,
    },
    Total(AmountFault),
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    #[error("there is no such product")]
    ProductNotFound { sku: String, claim: Option<HeldClaim> },
    #[error("the customer must not be sent to these pages")]
    ReturnForbidden,
    #[error("the items are not all of one currency")]
    MixedCurrencies,
    /// The provider would refuse to charge this. Nothing was written, and no number was taken.
    #[error("the amounts cannot be charged")]
    NotChargeable(Vec<NotChargeable>),
    /// The tenant's invoice numbers of the year, or its order numbers of the day, are used up. Nothing was written.
    #[error("the numbers are used up")]
    NumbersExhausted { claim: Option<HeldClaim> },
    #[error("the idempotency key does not let the request through")]
    Refused(Refused),
    #[error(transparent)]
    Fault(#[from] Fault),
}
