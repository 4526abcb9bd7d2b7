//! The effect of refunds and disputes on licences and entitlements, and its reversal when they turn.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Changed;
use crate::audit_log::{Actor, Entry, Subject};
use crate::webhook::ledger::{Account, LicenceFate};

/// Suspends, revokes or restores licences, and revokes or restores entitlements.
pub(super) async fn write(
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
                    || (change.before.is_paid() && change.before.licence_fate() != LicenceFate::Active)
            })
            .map(|change| &change.after)
            .collect()
    };
    // What an operator revoked stays so, whatever the payment does.
    for (accounts, statement) in [
        (
            of(LicenceFate::Revoked),
            "UPDATE licences SET status = 'REVOKED', revoked_by_payment = true WHERE status <> 'REVOKED' AND",
        ),
        (
            of(LicenceFate::Suspended),
            "UPDATE licences SET status = 'SUSPENDED', revoked_by_payment = false
             WHERE (status = 'ACTIVE' OR revoked_by_payment) AND",
        ),
        (
            of(LicenceFate::Active),
            "UPDATE licences SET status = 'ACTIVE', revoked_by_payment = false
             WHERE (status = 'SUSPENDED' OR revoked_by_payment) AND",
        ),
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
    write_entitlements(connection, now, changes).await
}

/// Downloads are closed while the money is gone, and open again when it is back. Nothing else revokes an entitlement.
async fn write_entitlements(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[&Changed],
) -> sqlx::Result<()> {
    let is_revoked = |account: &Account| account.is_paid() && account.licence_fate() == LicenceFate::Revoked;
    let turned: Vec<(&Account, bool)> = changes
        .iter()
        .map(|change| (&change.after, is_revoked(&change.before), is_revoked(&change.after)))
        .filter(|(_, before, after)| before != after)
        .map(|(account, _, after)| (account, after))
        .collect();
    if turned.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE entitlements e SET revoked_at = CASE WHEN turned.is_revoked THEN coalesce(e.revoked_at, $4) END
         FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS turned (tenant_id, order_id, is_revoked)
         WHERE e.tenant_id = turned.tenant_id AND e.order_id = turned.order_id",
    )
    .bind(turned.iter().map(|(account, _)| account.tenant_id).collect::<Vec<_>>())
    .bind(turned.iter().map(|(account, _)| account.order_id).collect::<Vec<_>>())
    .bind(turned.iter().map(|(_, is_revoked)| *is_revoked).collect::<Vec<_>>())
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
