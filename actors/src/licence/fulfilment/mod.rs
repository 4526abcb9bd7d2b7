//! What a payment, a refund and a dispute mean for licences: heard inside the transaction that notes them.

mod store;

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use self::store::NewLicence;
use crate::audit_log::{Actor, Entry, Subject};
use crate::events::{Event, Reaction};
use crate::webhook::{OrderPaid, OrderStandingChanged};

/// Keys are drawn again where one is taken: of 36^12 that hardly ever happens once.
const KEY_TRIES: u32 = 5;

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

/// Issues a licence for each unit of a LICENCE product.
pub async fn issue(reaction: &mut Reaction<'_>, paid: &[&OrderPaid]) -> sqlx::Result<()> {
    let now = reaction.now();
    let items = store::licensed_items(reaction.connection(), paid).await?;
    let mut missing: Vec<NewLicence<'_>> = items
        .iter()
        .flat_map(|item| (1..=item.quantity).map(move |unit| NewLicence { item, unit }))
        .collect();
    for _ in 0..KEY_TRIES {
        if missing.is_empty() {
            return Ok(());
        }
        let written = store::insert(reaction.connection(), now, &missing).await?;
        missing.retain(|new| match written.get(&(new.item.id, new.unit)) {
            None => true,
            Some(licence_id) => {
                let (tenant_id, order_id) = (new.item.tenant_id, new.item.order_id);
                reaction.emit(LicenceIssued { tenant_id, licence_id: *licence_id, order_id });
                false
            }
        });
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(sqlx::Error::Encode("no free licence keys were drawn".into()))
    }
}

/// Suspends the licences of an order while its payment is disputed, revokes them once it is reversed, and restores them
/// when the money is back. A licence that an operator revoked stays revoked.
pub async fn follow(reaction: &mut Reaction<'_>, changed: &[&OrderStandingChanged]) -> sqlx::Result<()> {
    let before = store::lock(reaction.connection(), changed).await?;
    for (licence_id, to) in store::follow(reaction.connection(), changed).await? {
        if let Some((tenant_id, from)) = before.get(&licence_id) {
            let (tenant_id, from) = (*tenant_id, from.clone());
            reaction.emit(LicenceStatusChanged { tenant_id, licence_id, from, to });
        }
    }
    Ok(())
}
