//! The SQL of points.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use primetech_kernel::database::tx::TenantTx;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::events::{PointsEarned, PointsRedeemed};
use crate::messages::{EntryView, PointsView};

/// Entries that a customer is shown.
const NEWEST: i64 = 20;

/// Points that were earned together, with what is left of them.
#[derive(Debug)]
pub(crate) struct Lot {
    pub id: Uuid,
    pub remaining: i64,
    pub is_changed: bool,
}

/// Writes what orders earned that have earned nothing yet; gives the ids of what was written.
pub(crate) async fn insert_earned(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    earned: &[PointsEarned],
) -> sqlx::Result<HashSet<Uuid>> {
    if earned.is_empty() {
        return Ok(HashSet::new());
    }
    macro_rules! column {
        ($type:ty, $read:expr) => {
            earned.iter().map($read).collect::<Vec<$type>>()
        };
    }
    let written: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO loyalty_points (tenant_id, id, user_id, order_id, points, remaining, expires_at, kind, created_at)
         SELECT new.tenant_id, new.id, new.user_id, new.order_id, new.points, new.points, new.expires_at, 'EARNED', $7
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::timestamptz[])
              AS new (tenant_id, id, user_id, order_id, points, expires_at)
         ORDER BY new.tenant_id, new.order_id
         ON CONFLICT ON CONSTRAINT loyalty_points_once_an_order DO NOTHING
         RETURNING id",
    )
    .bind(column!(Uuid, |earned| earned.tenant_id))
    .bind(column!(Uuid, |earned| earned.entry_id))
    .bind(column!(Uuid, |earned| earned.user_id))
    .bind(column!(Uuid, |earned| earned.order_id))
    .bind(column!(i64, |earned| earned.points))
    .bind(column!(DateTime<Utc>, |earned| earned.expires_at))
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(written.into_iter().collect())
}

/// Locks what these customers (tenant and user) can redeem. Each one's lots are in the order in which they expire.
pub(crate) async fn lock_lots(
    connection: &mut PgConnection,
    customers: impl Iterator<Item = (Uuid, Uuid)>,
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<(Uuid, Uuid), Vec<Lot>>> {
    let customers: BTreeSet<(Uuid, Uuid)> = customers.collect();
    let (tenants, users): (Vec<Uuid>, Vec<Uuid>) = customers.into_iter().unzip();
    let rows: Vec<(Uuid, Uuid, Uuid, i64)> = sqlx::query_as(
        "SELECT p.tenant_id, p.user_id, p.id, p.remaining
         FROM unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, user_id)
         JOIN loyalty_points p ON p.tenant_id = wanted.tenant_id AND p.user_id = wanted.user_id
         WHERE p.remaining > 0 AND (p.expires_at IS NULL OR p.expires_at > $3)
         ORDER BY p.tenant_id, p.user_id, p.expires_at NULLS LAST, p.id
         FOR UPDATE OF p",
    )
    .bind(tenants)
    .bind(users)
    .bind(now)
    .fetch_all(connection)
    .await?;
    let mut lots: HashMap<(Uuid, Uuid), Vec<Lot>> = HashMap::new();
    for (tenant_id, user_id, id, remaining) in rows {
        lots.entry((tenant_id, user_id)).or_default().push(Lot { id, remaining, is_changed: false });
    }
    Ok(lots)
}

/// Sets what is left of lots that are locked: tenant, id, number.
pub(crate) async fn set_remaining(
    connection: &mut PgConnection,
    lots: &[(Uuid, Uuid, i64)],
) -> sqlx::Result<()> {
    if lots.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE loyalty_points p SET remaining = lot.remaining
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS lot (tenant_id, id, remaining)
         WHERE p.tenant_id = lot.tenant_id AND p.id = lot.id",
    )
    .bind(lots.iter().map(|(tenant_id, ..)| *tenant_id).collect::<Vec<Uuid>>())
    .bind(lots.iter().map(|(_, id, _)| *id).collect::<Vec<Uuid>>())
    .bind(lots.iter().map(|(.., remaining)| *remaining).collect::<Vec<i64>>())
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn insert_redeemed(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    redeemed: &[PointsRedeemed],
) -> sqlx::Result<()> {
    if redeemed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO loyalty_points (tenant_id, id, user_id, points, kind, created_at)
         SELECT new.tenant_id, new.id, new.user_id, -new.points, 'REDEEMED', $5
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[]) AS new (tenant_id, id, user_id, points)",
    )
    .bind(redeemed.iter().map(|one| one.tenant_id).collect::<Vec<Uuid>>())
    .bind(redeemed.iter().map(|one| one.entry_id).collect::<Vec<Uuid>>())
    .bind(redeemed.iter().map(|one| one.user_id).collect::<Vec<Uuid>>())
    .bind(redeemed.iter().map(|one| one.points).collect::<Vec<i64>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn points(tx: &mut TenantTx, user_id: Uuid, now: DateTime<Utc>) -> sqlx::Result<PointsView> {
    let points: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(remaining), 0)::bigint FROM loyalty_points
         WHERE tenant_id = $1 AND user_id = $2 AND remaining > 0 AND (expires_at IS NULL OR expires_at > $3)",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(now)
    .fetch_one(tx.connection())
    .await?;
    let entries: Vec<EntryView> = sqlx::query_as(
        "SELECT id, kind, points, CASE WHEN expires_at <= $3 THEN 0 ELSE remaining END AS remaining, order_id,
                expires_at, created_at
         FROM loyalty_points
         WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT $4",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(now)
    .bind(NEWEST)
    .fetch_all(tx.connection())
    .await?;
    Ok(PointsView { points, entries })
}

/// The user with this address, which is in lower case.
pub(crate) async fn find_user(tx: &mut TenantTx, email: &str) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar("SELECT id FROM users WHERE tenant_id = $1 AND email = $2")
        .bind(tx.tenant_id())
        .bind(email)
        .fetch_optional(tx.connection())
        .await
}

/// Lets up to `limit` rows expire whose time was over at `over`, those of the earliest time first. Rows that another
/// transaction has locked are passed over.
pub(crate) async fn expire(
    connection: &mut PgConnection,
    over: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<u64> {
    let expired = sqlx::query(
        "UPDATE loyalty_points p SET expired = p.expired + p.remaining, remaining = 0
         FROM (SELECT tenant_id, id FROM loyalty_points WHERE remaining > 0 AND expires_at <= $1
               ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS over
         WHERE p.tenant_id = over.tenant_id AND p.id = over.id",
    )
    .bind(over)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(expired.rows_affected())
}
