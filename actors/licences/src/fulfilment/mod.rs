//! What a payment, a refund and a dispute mean for licences: heard inside the transaction that notes them.

mod store;

use primetech_actors::webhook::{OrderPaid, OrderStandingChanged};
use primetech_kernel::events::Reaction;

use self::store::NewLicence;
use crate::events::{LicenceIssued, LicenceStatusChanged};
use crate::store::KEY_TRIES;

/// Issues a licence for each unit of a LICENCE product.
pub(crate) async fn issue(reaction: &mut Reaction<'_>, paid: &[&OrderPaid]) -> sqlx::Result<()> {
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
pub(crate) async fn follow(
    reaction: &mut Reaction<'_>,
    changed: &[&OrderStandingChanged],
) -> sqlx::Result<()> {
    let before = store::lock(reaction.connection(), changed).await?;
    for (licence_id, to) in store::follow(reaction.connection(), changed).await? {
        if let Some((tenant_id, from)) = before.get(&licence_id) {
            let (tenant_id, from) = (*tenant_id, from.clone());
            reaction.emit(LicenceStatusChanged { tenant_id, licence_id, from, to });
        }
    }
    Ok(())
}
