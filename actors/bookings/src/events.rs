//! The events of bookings.

use primetech_kernel::audit_log::{Actor, Entry, RequestId, Subject};
use primetech_kernel::events::Event;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::status::BookingStatus;

/// A booking was made, or its status changed.
///
/// Messages of an earlier release have the `eventId` only, so what is missing is taken for its default: those who hear
/// this after its transaction go by the event's row.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BookingChanged {
    pub tenant_id: Uuid,
    pub booking_id: Uuid,
    pub product_id: Uuid,
    /// The row of `booking_events`.
    pub event_id: Uuid,
    /// None: the booking was made.
    pub from: Option<BookingStatus>,
    pub to: BookingStatus,
    /// For the audit log, which is written before the event leaves its transaction.
    #[serde(skip)]
    pub by: By,
    /// False: the recipient has had enough mails of this sort.
    #[serde(skip)]
    pub is_mailed: bool,
}

/// Who made or moved a booking.
#[derive(Debug, Clone, Default)]
pub struct By {
    /// None: someone who was not signed in.
    pub user_id: Option<Uuid>,
    pub request_id: Option<RequestId>,
}

impl Event for BookingChanged {
    const NAME: &'static str = "bookings.changed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, _by: &Actor) -> Option<Entry> {
        let actor = self.by.user_id.map_or(Actor::Anonymous, Actor::User);
        let subject = Subject("booking", self.booking_id);
        let to = self.to.as_str();
        let entry = match self.from {
            None => Entry::new(self.tenant_id, actor, "booking.created", subject)
                .after(json!({"status": to, "productId": self.product_id})),
            Some(from) => Entry::new(self.tenant_id, actor, "booking.status_changed", subject)
                .before(json!({ "status": from.as_str() }))
                .after(json!({ "status": to })),
        };
        Some(entry.asked_by(self.by.request_id.as_ref()))
    }
}
