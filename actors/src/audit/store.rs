//! The SQL of audits. Rows are streamed, because a year may have a million of them.

use futures_util::TryStreamExt;

use super::series::{Kind, NumberedRow};
use crate::database::tx::TenantTx;

/// Gives an audit more time than a request has, and tells the database's name and the snapshot's.
pub(super) async fn begin(tx: &mut TenantTx) -> sqlx::Result<(String, String)> {
    sqlx::raw_sql("SET LOCAL statement_timeout = '15min'").execute(tx.connection()).await?;
    sqlx::query_as("SELECT current_database()::text, pg_current_snapshot()::text")
        .fetch_one(tx.connection())
        .await
}

pub(super) async fn counter(tx: &mut TenantTx, kind: Kind, year: i32) -> sqlx::Result<Option<i32>> {
    let query = sqlx::query_scalar(
        "SELECT last_value FROM counters WHERE tenant_id = $1 AND kind = $2 AND period = $3",
    );
    query.bind(tx.tenant_id()).bind(kind.as_str()).bind(year).fetch_optional(tx.connection()).await
}

/// Every invoice that is numbered in the year or dated in it, by number.
pub(super) async fn invoices(
    tx: &mut TenantTx,
    year: i32,
    each: impl FnMut(NumberedRow),
) -> sqlx::Result<()> {
    const INVOICES: &str = "
        SELECT n.number, n.issued_at AS date, n.currency, n.total, n.status,
               o.number AS order_number, o.status AS order_status, o.currency AS order_currency,
               o.total AS order_total, n.subtotal,
               (SELECT sum(i.total)::bigint FROM order_items i
                WHERE i.tenant_id = n.tenant_id AND i.order_id = n.order_id) AS items_total,
               (SELECT count(*) FROM receipts r
                WHERE r.tenant_id = n.tenant_id AND r.order_id = n.order_id) AS receipts
        FROM invoices n LEFT JOIN orders o ON o.tenant_id = n.tenant_id AND o.id = n.order_id
        WHERE n.tenant_id = $1
          AND (left(n.number, 9) = $2 OR (n.issued_at >= make_timestamptz($3, 1, 1, 0, 0, 0, 'UTC')
                                          AND n.issued_at < make_timestamptz($3 + 1, 1, 1, 0, 0, 0, 'UTC')))
        ORDER BY n.number COLLATE \"C\", n.id";
    stream(tx, INVOICES, Kind::Invoice, year, each).await
}

pub(super) async fn receipts(
    tx: &mut TenantTx,
    year: i32,
    each: impl FnMut(NumberedRow),
) -> sqlx::Result<()> {
    const RECEIPTS: &str = "
        SELECT n.number, n.created_at AS date, n.currency, n.total, NULL::text AS status,
               o.number AS order_number, o.status AS order_status, o.currency AS order_currency,
               o.total AS order_total, NULL::bigint AS subtotal, NULL::bigint AS items_total,
               (SELECT count(*) FROM receipts r
                WHERE r.tenant_id = n.tenant_id AND r.order_id = n.order_id) AS receipts
        FROM receipts n LEFT JOIN orders o ON o.tenant_id = n.tenant_id AND o.id = n.order_id
        WHERE n.tenant_id = $1
          AND (left(n.number, 9) = $2 OR (n.created_at >= make_timestamptz($3, 1, 1, 0, 0, 0, 'UTC')
                                          AND n.created_at < make_timestamptz($3 + 1, 1, 1, 0, 0, 0, 'UTC')))
        ORDER BY n.number COLLATE \"C\", n.id";
    stream(tx, RECEIPTS, Kind::Receipt, year, each).await
}

async fn stream(
    tx: &mut TenantTx,
    sql: &'static str,
    kind: Kind,
    year: i32,
    mut each: impl FnMut(NumberedRow),
) -> sqlx::Result<()> {
    let mut rows = sqlx::query_as(sql)
        .bind(tx.tenant_id())
        .bind(format!("{}-{year:04}-", kind.as_str()))
        .bind(year)
        .fetch(tx.connection());
    while let Some(row) = rows.try_next().await? {
        each(row);
    }
    Ok(())
}
