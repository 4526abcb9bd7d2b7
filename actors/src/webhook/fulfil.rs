//! Writing what an account has become: the one place where an order turns paid, refunded, failed or expired, whoever
//! brought the news.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ledger::{Account, LicenceFate, OrderStatus};
use crate::audit_log::{self, Actor, Entry, Subject};
use crate::counter::series::{self, Kind, Series};
use crate::identifiers::{LicenceKey, ReceiptNumber};
use crate::outbox::{NewMessage, enqueue};
use crate::random;

/// Keys are drawn again where one is taken: of 36^12 that hardly ever happens once.
const KEY_TRIES: u32 = 5;

/// An account before and after the events of a batch.
pub(super) struct Changed {
    pub before: Account,
    pub after: Account,
}

impl Changed {
    fn became_paid(&self) -> bool {
        !self.before.is_paid() && self.after.is_paid()
    }

    fn audited(&self, by: &Actor) -> Option<Entry> {
        let (before, after) = (self.before.status.as_str(), self.after.status.as_str());
        (before != after).then(|| {
            let subject = Subject("order", self.after.order_id);
            Entry::new(self.after.tenant_id, by.clone(), "order.status_changed", subject)
                .before(json!({ "status": before }))
                .after(json!({ "status": after }))
        })
    }

    fn is_refunded_now(&self) -> bool {
        self.before.status != OrderStatus::Refunded && self.after.status == OrderStatus::Refunded
    }
}

/// The receipt numbers of a tenant's year are used up. Nothing may be written.
#[derive(Debug)]
pub(super) struct ReceiptsExhausted;

/// Writes the changes of a batch. The orders and payments are locked, and their tenants opened.
pub(super) async fn write(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    by: &Actor,
    changes: &[Changed],
) -> sqlx::Result<Result<(), ReceiptsExhausted>> {
    let changes: Vec<&Changed> = changes.iter().filter(|change| change.before != change.after).collect();
    if changes.is_empty() {
        return Ok(Ok(()));
    }
    let mut entries: Vec<Entry> = changes.iter().filter_map(|change| change.audited(by)).collect();
    write_statuses(connection, now, &changes).await?;
    write_refs(connection, &changes).await?;
    write_disputes(connection, now, &changes).await?;
    let paid: Vec<&Account> =
        changes.iter().filter(|change| change.became_paid()).map(|change| &change.after).collect();
    if !paid.is_empty() {
        if let Err(exhausted) = write_receipts(connection, now, &paid).await? {
            return Ok(Err(exhausted));
        }
        write_entitlements(connection, now, &paid).await?;
        write_licences(connection, now, &paid, by, &mut entries).await?;
    }
    write_fates(connection, now, &changes, by, &mut entries).await?;
    audit_log::record(connection, now, &entries).await?;
    enqueue(connection, now, &messages(&changes)).await?;
    Ok(Ok(()))
}

async fn write_statuses(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
) -> sqlx::Result<()> {
    let after = |change: &&Changed| change.after.clone();
    let accounts: Vec<Account> = changes.iter().map(after).collect();
    sqlx::query(
        "WITH new AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
                                  $7::bigint[], $8::text[], $9::text[])
                 AS new (tenant_id, order_id, payment_id, status, invoice_status, paid_at, amount_refunded, session_id,
                         payment_intent)
         ), ordered AS (
             UPDATE orders o SET status = new.status, paid_at = new.paid_at
             FROM new WHERE o.tenant_id = new.tenant_id AND o.id = new.order_id
         ), invoiced AS (
             UPDATE invoices i SET status = new.invoice_status, paid_at = new.paid_at
             FROM new WHERE i.tenant_id = new.tenant_id AND i.order_id = new.order_id
         )
         UPDATE payments p
         SET status = new.status, amount_refunded = new.amount_refunded, provider_session_id = new.session_id,
             provider_payment_intent_id = new.payment_intent, updated_at = $10
         FROM new WHERE p.tenant_id = new.tenant_id AND p.id = new.payment_id",
    )
    .bind(accounts.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.payment_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.status.as_str()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.status.of_invoice()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.paid_at).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.amount_refunded).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.session_id.as_deref()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.payment_intent.as_deref()).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes payments findable by the ids that were learned with these events.
async fn write_refs(connection: &mut PgConnection, changes: &[&Changed]) -> sqlx::Result<()> {
    let mut refs: BTreeMap<&str, &Account> = BTreeMap::new();
    for change in changes {
        let learned = |before: &Option<String>, after: &Option<String>| before.is_none() && after.is_some();
        if learned(&change.before.session_id, &change.after.session_id) {
            refs.extend(change.after.session_id.as_deref().map(|id| (id, &change.after)));
        }
        if learned(&change.before.payment_intent, &change.after.payment_intent) {
            refs.extend(change.after.payment_intent.as_deref().map(|id| (id, &change.after)));
        }
    }
    if refs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO payment_refs (provider, ref, tenant_id, payment_id, order_id)
         SELECT 'STRIPE', new.ref, new.tenant_id, new.payment_id, new.order_id
         FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) WITH ORDINALITY
              AS new (ref, tenant_id, payment_id, order_id, place)
         ORDER BY new.place
         ON CONFLICT (provider, ref) DO NOTHING",
    )
    .bind(refs.keys().copied().collect::<Vec<_>>())
    .bind(refs.values().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(refs.values().map(|account| account.payment_id).collect::<Vec<_>>())
    .bind(refs.values().map(|account| account.order_id).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_disputes(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
) -> sqlx::Result<()> {
    for change in changes {
        for (dispute_id, status) in &change.after.disputes {
            if change.before.disputes.contains(&(dispute_id.clone(), *status)) {
                continue;
            }
            sqlx::query(
                "INSERT INTO payment_disputes
                     (tenant_id, id, payment_id, provider_dispute_id, status, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $6)
                 ON CONFLICT (tenant_id, payment_id, provider_dispute_id)
                 DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at",
            )
            .bind(change.after.tenant_id)
            .bind(random::row_id(now))
            .bind(change.after.payment_id)
            .bind(dispute_id)
            .bind(status.as_str())
            .bind(now)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

async fn write_receipts(
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
         SELECT new.tenant_id, new.id, new.number, new.order_id, new.currency, new.total, $7, 'STRIPE',
                new.payment_intent, $7
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $8::text[])
              AS new (tenant_id, id, number, order_id, currency, total, payment_intent)",
    )
    .bind(paid.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|_| random::row_id(now)).collect::<Vec<_>>())
    .bind(numbers)
    .bind(paid.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.currency.as_str()).collect::<Vec<_>>())
    .bind(paid.iter().map(|account| account.total).collect::<Vec<_>>())
    .bind(now)
    .bind(paid.iter().map(|account| account.payment_intent.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(Ok(()))
}

async fn write_entitlements(
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

async fn write_licences(
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

/// Suspends, revokes or restores licences, and revokes entitlements.
async fn write_fates(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
    by: &Actor,
    entries: &mut Vec<Entry>,
) -> sqlx::Result<()> {
    let of = |fate: LicenceFate| -> Vec<&Account> {
        changes
            .iter()
            .filter(|change| change.after.is_paid() && change.after.licence_fate() == fate)
            // A licence that was just made, or that nothing happened to, is as it should be.
            .filter(|change| {
                fate != LicenceFate::Active
                    || (change.before.is_paid() && change.before.licence_fate() == LicenceFate::Suspended)
            })
            .map(|change| &change.after)
            .collect()
    };
    // What is revoked stays so; only a suspension is lifted.
    for (accounts, statement) in [
        (of(LicenceFate::Revoked), "UPDATE licences SET status = 'REVOKED' WHERE status <> 'REVOKED' AND"),
        (of(LicenceFate::Suspended), "UPDATE licences SET status = 'SUSPENDED' WHERE status = 'ACTIVE' AND"),
        (of(LicenceFate::Active), "UPDATE licences SET status = 'ACTIVE' WHERE status = 'SUSPENDED' AND"),
    ] {
        if accounts.is_empty() {
            continue;
        }
        // Licence rows are locked in the order that activations lock them in.
        let locked = lock_licences(connection, &accounts).await?;
        let statement = format!(
            "{statement} (tenant_id, order_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) RETURNING id, status"
        );
        let changed: Vec<(Uuid, String)> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(accounts.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
            .bind(accounts.iter().map(|account| account.order_id).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
        entries.extend(changed.iter().filter_map(|(id, after)| {
            let (tenant_id, before) = locked.get(id)?;
            let entry = Entry::new(*tenant_id, by.clone(), "licence.status_changed", Subject("licence", *id));
            Some(entry.before(json!({ "status": before })).after(json!({ "status": after })))
        }));
    }
    let refunded: Vec<&Account> =
        changes.iter().filter(|change| change.is_refunded_now()).map(|change| &change.after).collect();
    if refunded.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE entitlements SET revoked_at = $3
         WHERE revoked_at IS NULL AND (tenant_id, order_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))",
    )
    .bind(refunded.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(refunded.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Their tenants and statuses, by their ids.
async fn lock_licences(
    connection: &mut PgConnection,
    accounts: &[&Account],
) -> sqlx::Result<HashMap<Uuid, (Uuid, String)>> {
    let rows: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
        "SELECT id, tenant_id, status FROM licences
         WHERE (tenant_id, order_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
         ORDER BY tenant_id, id FOR UPDATE",
    )
    .bind(accounts.iter().map(|account| account.tenant_id).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.order_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(id, tenant_id, status)| (id, (tenant_id, status))).collect())
}

/// What others are told of, in the same transaction.
fn messages(changes: &[&Changed]) -> Vec<NewMessage> {
    let mut messages = Vec::new();
    for change in changes {
        let account = &change.after;
        let payload = json!({ "orderId": account.order_id, "userId": account.user_id });
        let mut tell = |topic| {
            messages.push(NewMessage { tenant_id: account.tenant_id, topic, payload: payload.clone() })
        };
        if change.became_paid() {
            tell("mail.order-paid");
            tell("event.order-paid");
        }
        if change.is_refunded_now() {
            tell("event.order-refunded");
        }
        match (change.before.status, account.status) {
            (OrderStatus::Pending, OrderStatus::Failed) => tell("event.order-failed"),
            (OrderStatus::Pending, OrderStatus::Expired) => tell("event.order-expired"),
            _ => {}
        }
    }
    messages
}
