//! What a development installation begins with.

use chrono::{DateTime, TimeDelta, Utc};
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::random;
use sqlx::PgConnection;

use crate::store;

/// The shop, the product and the owner of the licence.
const OF: (&str, &str, &str) = ("demo", "editor-pro", "customer@demo.example");

/// Gives the first shop's customer a licence that expired a month ago, unless the customer has one without an order.
pub(crate) async fn expired_licence(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    let created_at = now - TimeDelta::days(395);
    let licence = (random::row_id(created_at), &LicenceKey::generate());
    store::seed_expired(connection, OF, licence, created_at, now - TimeDelta::days(30)).await
}
