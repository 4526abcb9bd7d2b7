//! What licences tell.

use primetech_kernel::audit_log::{Actor, Entry, Subject};
use primetech_kernel::events::Event;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// A licence was made for an order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenceIssued {
    pub tenant_id: Uuid,
    pub licence_id: Uuid,
    pub order_id: Uuid,
}

impl Event for LicenceIssued {
    const NAME: &'static str = "licences.issued";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let licence = Subject("licence", self.licence_id);
        let entry = Entry::new(self.tenant_id, by.clone(), "licence.issued", licence);
        Some(entry.after(json!({"status": "ACTIVE", "orderId": self.order_id})))
    }
}

/// A licence has another status, for what became of its order's payment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenceStatusChanged {
    pub tenant_id: Uuid,
    pub licence_id: Uuid,
    pub from: String,
    pub to: String,
}

impl Event for LicenceStatusChanged {
    const NAME: &'static str = "licences.status-changed";

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn audit(&self, by: &Actor) -> Option<Entry> {
        let licence = Subject("licence", self.licence_id);
        let entry = Entry::new(self.tenant_id, by.clone(), "licence.status_changed", licence);
        Some(entry.before(json!({ "status": self.from })).after(json!({ "status": self.to })))
    }
}
