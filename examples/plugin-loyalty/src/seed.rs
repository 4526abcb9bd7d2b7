//! What a development installation begins with.

use chrono::{DateTime, Utc};
use primetech_kernel::random;
use sqlx::PgConnection;
use uuid::Uuid;

const WELCOME: i64 = 100;

/// Gives each customer points that never expire, unless the customer has had any.
pub(crate) async fn welcome(connection: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    let customers: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT u.tenant_id, u.id FROM users u
         WHERE u.role = 'CUSTOMER'
           AND NOT EXISTS (SELECT FROM loyalty_points p WHERE p.tenant_id = u.tenant_id AND p.user_id = u.id)",
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<Uuid> = customers.iter().map(|_| random::row_id(now)).collect();
    let (tenants, users): (Vec<Uuid>, Vec<Uuid>) = customers.into_iter().unzip();
    sqlx::query(
        "INSERT INTO loyalty_points (tenant_id, id, user_id, points, remaining, kind, created_at)
         SELECT new.tenant_id, new.id, new.user_id, $4, $4, 'EARNED', $5
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS new (tenant_id, id, user_id)",
    )
    .bind(tenants)
    .bind(ids)
    .bind(users)
    .bind(WELCOME)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
