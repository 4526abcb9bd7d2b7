//! What loyalty tells.

use chrono::{DateTime, Utc};
use primetech_actors::webhook::OrderPaid;
use primetech_kernel::audit_log::{Actor, Entry, RequestId, Subject};
use primetech_kernel::events::Event;
use primetech_kernel::random;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// A customer earned points by a paid order: told in the payment's transaction, once for each order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PointsEarned {
    pub tenant_id: Uuid,
    /// The row of `loyalty_points`.
    pub entry_id: Uuid,
    pub user_id: Uuid,
    pub order_id: Uuid,
    /// More than 0.
    pub points: i64,
    pub expires_at: DateTime<Utc>,
}

impl PointsEarned {
    pub(crate) fn of(order: &OrderPaid, points: i64, now: DateTime<Utc>, expires_at: DateTime<Utc>) -> Self {
        Self {
            tenant_id: order.tenant_id,
            entry_id: random::row_id(now),
            user_id: order.user_id,
            order_id: order.order_id,
            points,
            expires_at,
        }
    }
}

impl Event for PointsEarned {
    const NAME: &'static str = "loyalty.points-earned";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let entry = Entry::new(
            self.tenant_id,
            by.clone(),
            "loyalty.points_earned",
            Subject("loyalty_points", self.entry_id),
        );
        Some(entry.after(json!({"orderId": self.order_id, "points": self.points})))
    }
}

/// A customer redeemed points.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PointsRedeemed {
    pub tenant_id: Uuid,
    /// The row of `loyalty_points`.
    pub entry_id: Uuid,
    pub user_id: Uuid,
    /// More than 0.
    pub points: i64,
    /// For the audit log, which is written before the event leaves its transaction.
    #[serde(skip)]
    pub request_id: Option<RequestId>,
}

impl Event for PointsRedeemed {
    const NAME: &'static str = "loyalty.points-redeemed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, _by: &Actor) -> Option<Entry> {
        let entry = Entry::new(
            self.tenant_id,
            Actor::User(self.user_id),
            "loyalty.points_redeemed",
            Subject("loyalty_points", self.entry_id),
        );
        Some(entry.after(json!({"points": self.points})).asked_by(self.request_id.as_ref()))
    }
}
