//! The SQL of entitlements.

use chrono::{DateTime, Utc};
use primetech_actors::webhook::{OrderPaid, OrderStandingChanged, Standing};
use primetech_kernel::random;
use sqlx::PgConnection;
use uuid::Uuid;

pub(super) async fn grant(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    paid: &[&OrderPaid],
) -> sqlx::Result<()> {
    // One for each item, named before it is written: the ids come from this side.
    let items: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT i.tenant_id, i.id FROM unnest($1::uuid[], $2::uuid[]) AS paid (tenant_id, order_id)
         JOIN order_items i ON i.tenant_id = paid.tenant_id AND i.order_id = paid.order_id
         ORDER BY i.tenant_id, i.order_id, i.position",
    )
    .bind(paid.iter().map(|order| order.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|order| order.order_id).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<Uuid> = items.iter().map(|_| random::row_id(now)).collect();
    let (tenants, item_ids): (Vec<Uuid>, Vec<Uuid>) = items.into_iter().unzip();
    sqlx::query(
        "INSERT INTO entitlements (tenant_id, id, user_id, order_id, order_item_id, product_id, created_at)
         SELECT i.tenant_id, new.id, o.user_id, i.order_id, i.id, i.product_id, $4
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS new (tenant_id, item_id, id)
         JOIN order_items i ON i.tenant_id = new.tenant_id AND i.id = new.item_id
         JOIN orders o ON o.tenant_id = i.tenant_id AND o.id = i.order_id",
    )
    .bind(tenants)
    .bind(item_ids)
    .bind(ids)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn follow(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changed: &[&OrderStandingChanged],
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE entitlements e SET revoked_at = CASE WHEN told.is_reversed THEN $4::timestamptz END
         FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS told (tenant_id, order_id, is_reversed)
         WHERE e.tenant_id = told.tenant_id AND e.order_id = told.order_id
           AND (e.revoked_at IS NOT NULL) <> told.is_reversed",
    )
    .bind(changed.iter().map(|order| order.tenant_id).collect::<Vec<_>>())
    .bind(changed.iter().map(|order| order.order_id).collect::<Vec<_>>())
    .bind(changed.iter().map(|order| order.standing == Standing::Reversed).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
