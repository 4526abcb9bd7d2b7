//! The events of orders.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ledger::Account;
use crate::events::Event;

/// An order was paid: told in the transaction that notes the payment, once for each order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPaid {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    /// Who bought.
    pub user_id: Uuid,
    /// In the currency's minor unit.
    pub total: i64,
    /// ISO 4217, upper case.
    pub currency: String,
}

impl Event for OrderPaid {
    const NAME: &'static str = "sales.order-paid";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }
}

impl OrderPaid {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            tenant_id: account.tenant_id,
            order_id: account.order_id,
            user_id: account.user_id,
            total: account.total,
            currency: account.currency.clone(),
        }
    }
}
