//! The events of orders and their payments, told in the transaction that notes the provider's news.

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::audit_log::{Actor, Entry, Subject};
use crate::events::Event;

/// An order was paid: once for each order.
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

/// Where the money of a paid order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Standing {
    /// The seller has it.
    Settled,
    /// Claimed back; a dispute is open.
    Disputed,
    /// Given back in full, or lost in a dispute.
    Reversed,
}

/// A paid order's [`Standing`] changed. An order that was just paid is settled, without this event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStandingChanged {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    pub standing: Standing,
}

impl Event for OrderStandingChanged {
    const NAME: &'static str = "sales.order-standing-changed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }
}

/// An order has another status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatusChanged {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    pub from: String,
    pub to: String,
}

impl Event for OrderStatusChanged {
    const NAME: &'static str = "sales.order-status-changed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let order = Subject("order", self.order_id);
        let entry = Entry::new(self.tenant_id, by.clone(), "order.status_changed", order);
        Some(entry.before(json!({ "status": self.from })).after(json!({ "status": self.to })))
    }
}

/// More of a payment was refunded than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRefunded {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    pub payment_id: Uuid,
    /// All that was refunded before, in the currency's minor unit.
    pub from: i64,
    /// All that is refunded now.
    pub to: i64,
}

impl Event for PaymentRefunded {
    const NAME: &'static str = "sales.payment-refunded";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let payment = Subject("payment", self.payment_id);
        let entry = Entry::new(self.tenant_id, by.clone(), "payment.refunded", payment);
        Some(entry.before(json!({ "amountRefunded": self.from })).after(json!({ "amountRefunded": self.to })))
    }
}

/// A refund failed: its money came back to the seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundFailed {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    pub payment_id: Uuid,
    /// The provider's id.
    pub refund_id: String,
    /// In the currency's minor unit.
    pub amount: i64,
    /// All that was refunded before, and that is refunded now.
    pub from: i64,
    pub to: i64,
}

impl Event for RefundFailed {
    const NAME: &'static str = "sales.refund-failed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let payment = Subject("payment", self.payment_id);
        let entry = Entry::new(self.tenant_id, by.clone(), "payment.refund_failed", payment);
        Some(entry.before(json!({ "amountRefunded": self.from })).after(json!({
            "refundId": self.refund_id, "amount": self.amount, "amountRefunded": self.to,
        })))
    }
}

/// A dispute was opened, won or lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DisputeChanged {
    pub tenant_id: Uuid,
    pub order_id: Uuid,
    pub payment_id: Uuid,
    /// The provider's id.
    pub dispute_id: String,
    /// None: nothing was known of it.
    pub from: Option<String>,
    pub to: String,
}

impl Event for DisputeChanged {
    const NAME: &'static str = "sales.dispute-changed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let payment = Subject("payment", self.payment_id);
        let entry = Entry::new(self.tenant_id, by.clone(), "payment.dispute_changed", payment);
        Some(
            entry
                .before(json!({ "disputeId": self.dispute_id, "status": self.from }))
                .after(json!({ "disputeId": self.dispute_id, "status": self.to })),
        )
    }
}
