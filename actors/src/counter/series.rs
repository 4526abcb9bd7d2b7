//! Takes numbers from a series, inside the transaction that uses them.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::identifiers::ORDER_NUMBERS_A_DAY;

/// The series of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Invoice,
    Order,
    Receipt,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "INV",
            Self::Order => "ORD",
            Self::Receipt => "RCP",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "INV" => Some(Self::Invoice),
            "ORD" => Some(Self::Order),
            "RCP" => Some(Self::Receipt),
            _ => None,
        }
    }

    /// The last number that fits the form.
    fn space(self) -> i32 {
        match self {
            Self::Invoice | Self::Receipt => 999_999,
            Self::Order => ORDER_NUMBERS_A_DAY as i32,
        }
    }
}

/// One series: of a tenant, a kind and a period. Its order is the order in which rows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Series {
    pub tenant_id: Uuid,
    pub kind: Kind,
    /// A UTC year, or for orders a UTC day (20260131).
    pub period: i32,
}

/// Consecutive numbers that were taken: `first`, `first + 1`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub first: i32,
    pub count: i32,
}

/// Takes numbers from each series, locking the rows in sorted order until the transaction ends.
///
/// A block is shorter than asked for, or empty, where the series is used up. What a caller does not use it must give
/// back with [`give_back`] in the same transaction.
pub(crate) async fn take(
    connection: &mut PgConnection,
    wanted: &BTreeMap<Series, i32>,
) -> sqlx::Result<BTreeMap<Series, Block>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(Uuid, String, i32, i32)> = sqlx::query_as(
        "INSERT INTO counters (tenant_id, kind, period, last_value)
         SELECT new.tenant_id, new.kind, new.period, new.count
         FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[]) WITH ORDINALITY
              AS new (tenant_id, kind, period, count, place)
         ORDER BY new.place
         ON CONFLICT (tenant_id, kind, period) DO UPDATE SET last_value = counters.last_value + excluded.last_value
         WHERE counters.last_value + excluded.last_value <= CASE counters.kind WHEN 'ORD' THEN $5 ELSE $6 END
         RETURNING tenant_id, kind, period, last_value",
    )
    .bind(wanted.keys().map(|series| series.tenant_id).collect::<Vec<_>>())
    .bind(wanted.keys().map(|series| series.kind.as_str()).collect::<Vec<_>>())
    .bind(wanted.keys().map(|series| series.period).collect::<Vec<_>>())
    .bind(wanted.values().copied().collect::<Vec<_>>())
    .bind(Kind::Order.space())
    .bind(Kind::Invoice.space())
    .fetch_all(&mut *connection)
    .await?;
    let mut blocks = BTreeMap::new();
    for (tenant_id, kind, period, last_value) in rows {
        let kind =
            Kind::parse(&kind).ok_or_else(|| sqlx::Error::Decode("an unknown kind of series".into()))?;
        let series = Series { tenant_id, kind, period };
        let count = wanted.get(&series).copied().unwrap_or(0);
        blocks.insert(series, Block { first: last_value - count + 1, count });
    }
    for series in wanted.keys() {
        if !blocks.contains_key(series) {
            blocks.insert(*series, take_the_rest(connection, series).await?);
        }
    }
    Ok(blocks)
}

/// Takes what is left of a series that cannot give what was asked. Its row is locked already.
async fn take_the_rest(connection: &mut PgConnection, series: &Series) -> sqlx::Result<Block> {
    let space = series.kind.space();
    let (last_value,): (i32,) = sqlx::query_as(
        "SELECT last_value FROM counters WHERE tenant_id = $1 AND kind = $2 AND period = $3 FOR UPDATE",
    )
    .bind(series.tenant_id)
    .bind(series.kind.as_str())
    .bind(series.period)
    .fetch_one(&mut *connection)
    .await?;
    let count = (space - last_value).max(0);
    if count > 0 {
        set(connection, series, space).await?;
    }
    Ok(Block { first: last_value + 1, count })
}

/// Returns the unused end of a block, so that no number is skipped.
pub(crate) async fn give_back(
    connection: &mut PgConnection,
    series: &Series,
    block: &Block,
    used: i32,
) -> sqlx::Result<()> {
    if used < block.count {
        set(connection, series, block.first - 1 + used).await?;
    }
    Ok(())
}

async fn set(connection: &mut PgConnection, series: &Series, last_value: i32) -> sqlx::Result<()> {
    sqlx::query("UPDATE counters SET last_value = $4 WHERE tenant_id = $1 AND kind = $2 AND period = $3")
        .bind(series.tenant_id)
        .bind(series.kind.as_str())
        .bind(series.period)
        .bind(last_value)
        .execute(connection)
        .await?;
    Ok(())
}
