//! The SQL of licences that orders bring and take.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use primetech_actors::webhook::{OrderPaid, OrderStandingChanged, Standing};
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::random;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
pub(super) struct LicensedItem {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub order_id: Uuid,
    product_id: Uuid,
    user_id: Uuid,
    pub quantity: i32,
    licence_validity_days: Option<i32>,
}

/// A licence to be made: the `unit`-th of its item.
pub(super) struct NewLicence<'a> {
    pub item: &'a LicensedItem,
    pub unit: i32,
}

pub(super) async fn licensed_items(
    connection: &mut PgConnection,
    paid: &[&OrderPaid],
) -> sqlx::Result<Vec<LicensedItem>> {
    sqlx::query_as(
        "SELECT i.tenant_id, i.id, i.order_id, i.product_id, o.user_id, i.quantity, i.licence_validity_days
         FROM unnest($1::uuid[], $2::uuid[]) AS paid (tenant_id, order_id)
         JOIN orders o ON o.tenant_id = paid.tenant_id AND o.id = paid.order_id
         JOIN order_items i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
         WHERE i.kind = 'LICENCE'
         ORDER BY i.tenant_id, i.order_id, i.position",
    )
    .bind(paid.iter().map(|order| order.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|order| order.order_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}

/// Writes licences with new keys, and gives their ids; those whose key is taken are left out of the answer.
pub(super) async fn insert(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    licences: &[NewLicence<'_>],
) -> sqlx::Result<HashMap<(Uuid, i32), Uuid>> {
    let expiry =
        |new: &NewLicence<'_>| new.item.licence_validity_days.map(|days| now + TimeDelta::days(days.into()));
    let rows: Vec<(Uuid, i32, Uuid)> = sqlx::query_as(
        "INSERT INTO licences (tenant_id, id, key, status, product_id, user_id, order_id, order_item_id, unit_number,
                               expires_at, created_at)
         SELECT new.tenant_id, new.id, new.key, 'ACTIVE', new.product_id, new.user_id, new.order_id, new.item_id,
                new.unit, new.expires_at, $10
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::integer[],
                     $9::timestamptz[])
              AS new (tenant_id, id, key, product_id, user_id, order_id, item_id, unit, expires_at)
         ON CONFLICT (tenant_id, key) DO NOTHING
         RETURNING order_item_id, unit_number, id",
    )
    .bind(licences.iter().map(|new| new.item.tenant_id).collect::<Vec<_>>())
    .bind(licences.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(licences.iter().map(|_| LicenceKey::generate().as_str().to_owned()).collect::<Vec<_>>())
    .bind(licences.iter().map(|new| new.item.product_id).collect::<Vec<_>>())
    .bind(licences.iter().map(|new| new.item.user_id).collect::<Vec<_>>())
    .bind(licences.iter().map(|new| new.item.order_id).collect::<Vec<_>>())
    .bind(licences.iter().map(|new| new.item.id).collect::<Vec<_>>())
    .bind(licences.iter().map(|new| new.unit).collect::<Vec<_>>())
    .bind(licences.iter().map(expiry).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(item_id, unit, id)| ((item_id, unit), id)).collect())
}

/// Locks the licences of these orders, in the order in which activations lock them. Gives their tenants and statuses.
pub(super) async fn lock(
    connection: &mut PgConnection,
    changed: &[&OrderStandingChanged],
) -> sqlx::Result<HashMap<Uuid, (Uuid, String)>> {
    let rows: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
        "SELECT id, tenant_id, status FROM licences
         WHERE (tenant_id, order_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
         ORDER BY tenant_id, id FOR UPDATE",
    )
    .bind(changed.iter().map(|order| order.tenant_id).collect::<Vec<_>>())
    .bind(changed.iter().map(|order| order.order_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, tenant_id, status)| (id, (tenant_id, status))).collect())
}

/// Gives the licences that have another status now.
pub(super) async fn follow(
    connection: &mut PgConnection,
    changed: &[&OrderStandingChanged],
) -> sqlx::Result<Vec<(Uuid, String)>> {
    let status = |order: &&OrderStandingChanged| match order.standing {
        Standing::Settled => "ACTIVE",
        Standing::Disputed => "SUSPENDED",
        Standing::Reversed => "REVOKED",
    };
    sqlx::query_as(
        "UPDATE licences l SET status = told.status, revoked_by_payment = told.status = 'REVOKED'
         FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS told (tenant_id, order_id, status)
         WHERE l.tenant_id = told.tenant_id AND l.order_id = told.order_id AND l.status <> told.status
           AND (l.status <> 'REVOKED' OR l.revoked_by_payment)
         RETURNING l.id, l.status",
    )
    .bind(changed.iter().map(|order| order.tenant_id).collect::<Vec<_>>())
    .bind(changed.iter().map(|order| order.order_id).collect::<Vec<_>>())
    .bind(changed.iter().map(status).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
}
