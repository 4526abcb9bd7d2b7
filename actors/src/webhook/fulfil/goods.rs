//! The effect of a payment: a receipt, an entitlement for each item, and a licence for each unit of a LICENCE
//! product.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ReceiptsExhausted;
use crate::audit_log::{Actor, Entry, Subject};
use crate::counter::series::{self, Kind, Series};
use crate::identifiers::{LicenceKey, ReceiptNumber};
use crate::random;
use crate::webhook::ledger::Account;

/// Keys are drawn again where one is taken: of 36^12 that hardly ever happens once.
const KEY_TRIES: u32 = 5;

/// Receipts are numbered in the year in which they are issued, which may be a later one than that of the payment.
pub(super) async fn write_receipts(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    paid: &[&Account],
) -> sqlx::Result<Result<(), ReceiptsExhausted>> {
    let series_of =
        |account: &Account| Series { tenant_id: account.tenant_id, kind: Kind::Receipt, period: now.year() };
    let mut wanted: BTreeMap<Series, i32> = BTreeMap::new();
    for account in paid {
        *wanted.entry(series_of(account)).or_default() += 1;
    }
    let mut blocks = series::take(connection, &wanted).await?;
    let mut numbers = Vec::with_capacity(paid.len());
    for account in paid {
        match blocks.get_mut(&series_of(account)) {
            Some(block) if block.count > 0 => {
                numbers.push(ReceiptNumber::of(now.year(), block.first).to_string());
                block.first += 1;
                block.count -= 1;
            }
            // The caller rolls everything back, the numbers taken included.
            _ => return Ok(Err(ReceiptsExhausted)),
        }
    }
    sqlx::query(
        "INSERT INTO receipts (tenant_id, id, number, order_id, currency, total, paid_at, provider,
                               provider_payment_id, created_at)
         SELECT new.tenant_id, new.id, new.number, new.order_id, new.currency, new.total, new.paid_at,
                'STRIPE', new.payment_intent, $7
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $8::text[],
                     $9::timestamptz[])
              AS new (tenant_id, id, number, order_id, currency, total, payment_intent, paid_at)",
    )
    .bind(paid.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(numbers)
    .bind(paid.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.currency.as_str()).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.total).collect::<Vec<_>>())
    .bind(now)
    .bind(paid.iter().map(|account| account.payment_intent.as_deref()).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.paid_at).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(Ok(()))
}

pub(super) async fn write_entitlements(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    paid: &[&Account],
) -> sqlx::Result<()> {
    // One for each item, named before it is written: the ids come from this side.
    let items: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT i.tenant_id, i.id FROM unnest($1::uuid[], $2::uuid[]) AS paid (tenant_id, order_id)
         JOIN order_items i ON i.tenant_id = paid.tenant_id AND i.order_id = paid.order_id
         ORDER BY i.tenant_id, i.order_id, i.position",
    )
    .bind(paid.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.order_id).collect::<Vec<_>>())
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

#[derive(sqlx::FromRow)]
struct LicensedItem {
    tenant_id: Uuid,
    id: Uuid,
    order_id: Uuid,
    product_id: Uuid,
    user_id: Uuid,
    quantity: i32,
    licence_validity_days: Option<i32>,
}

/// A licence to be made: the `unit`-th of its item.
struct NewLicence<'a> {
    item: &'a LicensedItem,
    unit: i32,
}

pub(super) async fn write_licences(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    paid: &[&Account],
    by: &Actor,
    entries: &mut Vec<Entry>,
) -> sqlx::Result<()> {
    let items: Vec<LicensedItem> = sqlx::query_as(
        "SELECT i.tenant_id, i.id, i.order_id, i.product_id, o.user_id, i.quantity, i.licence_validity_days
         FROM unnest($1::uuid[], $2::uuid[]) AS paid (tenant_id, order_id)
         JOIN orders o ON o.tenant_id = paid.tenant_id AND o.id = paid.order_id
         JOIN order_items i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
         WHERE i.kind = 'LICENCE'
         ORDER BY i.tenant_id, i.order_id, i.position",
    )
    .bind(paid.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let mut missing: Vec<NewLicence<'_>> = items
        .iter()
        .flat_map(|item| (1..=item.quantity).map(move |unit| NewLicence { item, unit }))
        .collect();
    for _ in 0..KEY_TRIES {
        if missing.is_empty() {
            return Ok(());
        }
        let written = insert_licences(connection, now, &missing).await?;
        missing.retain(|new| match written.get(&(new.item.id, new.unit)) {
            None => true,
            Some(id) => {
                let entry =
                    Entry::new(new.item.tenant_id, by.clone(), "licence.issued", Subject("licence", *id));
                entries.push(entry.after(json!({"status": "ACTIVE", "orderId": new.item.order_id})));
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

/// Writes licences with new keys, and gives their ids; those whose key is taken are left out of the answer.
async fn insert_licences(
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
