//! Entitlements: what buyers may download. Heard inside the transaction that notes a payment, a refund or a dispute.

mod store;

use primetech_actors::webhook::{OrderPaid, OrderStandingChanged};
use primetech_kernel::events::Reaction;

/// Grants one for each item of the orders.
pub(crate) async fn grant(reaction: &mut Reaction<'_>, paid: &[&OrderPaid]) -> sqlx::Result<()> {
    let now = reaction.now();
    store::grant(reaction.connection(), now, paid).await
}

/// Downloads are closed while the money is gone, and open again when it is back. Nothing else revokes an entitlement.
pub(crate) async fn follow(
    reaction: &mut Reaction<'_>,
    changed: &[&OrderStandingChanged],
) -> sqlx::Result<()> {
    let now = reaction.now();
    store::follow(reaction.connection(), now, changed).await
}
