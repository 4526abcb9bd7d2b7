//! The SQL of licences.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use primetech_kernel::caller::Viewer;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::page::{Page, PageRequest, Position};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::decide::{ActivationState, Change, LicenceState, StoredStatus};
use crate::messages::EndedActivation;

/// How often a key is drawn for a licence while the drawn one is taken. Of 36^12 that hardly ever happens once.
pub(crate) const KEY_TRIES: u32 = 5;

/// The statement that reads licences with their active activations: from where, and which.
///
/// A licence has one active activation at most. The order is asked for because one index alone has it: where PostgreSQL
/// believes the table empty all indexes cost the same, and it may take one that leads through all rows of the tenant.
macro_rules! select_licences {
    ($from:literal, $which:literal) => {
        select_licences!("true", $from, $which)
    };
    ($orders_too:literal, $from:literal, $which:literal) => {
        concat!(
            "SELECT l.tenant_id, l.id, l.key, l.status, p.sku AS product_sku,
                    CASE WHEN ",
            $orders_too,
            " THEN (SELECT o.number FROM orders o WHERE o.tenant_id = l.tenant_id AND o.id = l.order_id) END
                        AS order_number,
                    l.user_id, l.expires_at, l.created_at,
                    a.id AS activation_id, a.fingerprint, a.device_name, a.activated_at
             FROM ",
            $from,
            " JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id
             LEFT JOIN LATERAL (
                 SELECT * FROM activations
                 WHERE tenant_id = l.tenant_id AND licence_id = l.id AND deactivated_at IS NULL
                 ORDER BY activated_at DESC LIMIT 1
             ) AS a ON true ",
            $which
        )
    };
}

#[derive(sqlx::FromRow)]
struct LicenceRow {
    tenant_id: Uuid,
    id: Uuid,
    key: String,
    status: String,
    product_sku: String,
    order_number: Option<String>,
    user_id: Option<Uuid>,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    activation_id: Option<Uuid>,
    fingerprint: Option<String>,
    device_name: Option<String>,
    activated_at: Option<DateTime<Utc>>,
}

impl TryFrom<LicenceRow> for LicenceState {
    type Error = sqlx::Error;

    fn try_from(row: LicenceRow) -> Result<Self, sqlx::Error> {
        let activation = match (row.activation_id, row.fingerprint, row.activated_at) {
            (Some(id), Some(fingerprint), Some(activated_at)) => {
                Some(ActivationState { id, fingerprint, device_name: row.device_name, activated_at })
            }
            _ => None,
        };
        Ok(Self {
            tenant_id: row.tenant_id,
            id: row.id,
            key: LicenceKey::parse(&row.key)
                .map_err(|_| sqlx::Error::Decode("a licence key's form".into()))?,
            status: StoredStatus::parse(&row.status)
                .ok_or_else(|| sqlx::Error::Decode("an unknown licence status".into()))?,
            product_sku: row.product_sku,
            order_number: row.order_number,
            user_id: row.user_id,
            expires_at: row.expires_at,
            created_at: row.created_at,
            activation,
        })
    }
}

/// A licence is found by its tenant and key.
pub(crate) type LicenceName = (Uuid, LicenceKey);

/// Reads the licences with their active activations, as of this statement; with the numbers of their orders only where
/// they are wished.
pub(crate) async fn read(
    connection: &mut PgConnection,
    names: &BTreeSet<LicenceName>,
    orders_too: bool,
) -> sqlx::Result<HashMap<LicenceName, LicenceState>> {
    let (tenants, keys): (Vec<Uuid>, Vec<&str>) =
        names.iter().map(|(tenant_id, key)| (*tenant_id, key.as_str())).unzip();
    let rows: Vec<LicenceRow> = sqlx::query_as(select_licences!(
        "$3::boolean",
        "unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, key)
         JOIN licences l ON l.tenant_id = wanted.tenant_id AND l.key = wanted.key",
        ""
    ))
    .bind(tenants)
    .bind(keys)
    .bind(orders_too)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = LicenceState::try_from(row)?;
            Ok(((state.tenant_id, state.key.clone()), state))
        })
        .collect()
}

/// An activation to be written: its tenant, its licence's id, and itself.
pub(crate) type NewActivation<'a> = (Uuid, Uuid, &'a ActivationState);

/// Writes the activations, and gives the transaction's id, if each of their licences is good, free, and locked by nobody
/// at this moment; none, and a transaction to be rolled back, if one is not. The locks see to it that no licence is
/// revoked meanwhile, the unique index that none is taken twice; and whoever does not wait need not look again.
pub(crate) async fn take_free(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    new: &[NewActivation<'_>],
) -> sqlx::Result<Option<String>> {
    let (xid, taken): (String, i64) = sqlx::query_as(
        "WITH free AS (
             SELECT wanted.tenant_id, wanted.id, l.id AS licence_id, wanted.fingerprint, wanted.device_name
             FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
                      AS wanted (tenant_id, id, licence_id, fingerprint, device_name)
             JOIN licences l ON l.tenant_id = wanted.tenant_id AND l.id = wanted.licence_id
             WHERE l.status = 'ACTIVE' AND (l.expires_at IS NULL OR l.expires_at > $1)
             FOR UPDATE OF l SKIP LOCKED
         ), taken AS (
             INSERT INTO activations (tenant_id, id, licence_id, fingerprint, device_name, activated_at)
             SELECT tenant_id, id, licence_id, fingerprint, device_name, $1 FROM free
             ON CONFLICT (tenant_id, licence_id) WHERE deactivated_at IS NULL DO NOTHING
             RETURNING 1
         )
         SELECT pg_current_xact_id()::text, (SELECT count(*) FROM taken)",
    )
    .bind(now)
    .bind(new.iter().map(|(tenant_id, _, _)| *tenant_id).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, _, new)| new.id).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, licence_id, _)| *licence_id).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, _, new)| new.fingerprint.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|(_, _, new)| new.device_name.as_deref()).collect::<Vec<_>>())
    .fetch_one(connection)
    .await?;
    Ok((taken == new.len() as i64).then_some(xid))
}

/// Locks the licences against every other change, in a sorted order, and gives the transaction's id. What was read
/// before is then read again.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    names: &BTreeSet<LicenceName>,
) -> sqlx::Result<String> {
    let (tenants, keys): (Vec<Uuid>, Vec<&str>) =
        names.iter().map(|(tenant_id, key)| (*tenant_id, key.as_str())).unzip();
    let (xid, _): (String, i64) = sqlx::query_as(
        "WITH locked AS (
             SELECT 1 FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, key)
             JOIN licences l ON l.tenant_id = wanted.tenant_id AND l.key = wanted.key
             ORDER BY l.tenant_id, l.id FOR UPDATE OF l
         )
         SELECT pg_current_xact_id()::text, (SELECT count(*) FROM locked)",
    )
    .bind(tenants)
    .bind(keys)
    .fetch_one(connection)
    .await?;
    Ok(xid)
}

/// Writes the changes of a batch. The licences are locked.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    changes: &[(Uuid, Change)],
) -> sqlx::Result<()> {
    let mut ended: Vec<(Uuid, Uuid)> = Vec::new();
    let mut made: Vec<NewActivation<'_>> = Vec::new();
    for (tenant_id, change) in changes {
        match change {
            Change::Deactivate { activation_id, .. } => ended.push((*tenant_id, *activation_id)),
            Change::Insert { licence_id, activation } => made.push((*tenant_id, *licence_id, activation)),
        }
    }
    // First those that were there before this batch: the place must be free for a new one.
    deactivate(connection, now, &ended).await?;
    if made.is_empty() {
        return Ok(());
    }
    // An activation that was made and left within this batch is written as both.
    let left: Vec<Option<DateTime<Utc>>> =
        made.iter().map(|(_, _, new)| ended.iter().any(|(_, id)| *id == new.id).then_some(now)).collect();
    sqlx::query(
        "INSERT INTO activations (tenant_id, id, licence_id, fingerprint, device_name, activated_at, deactivated_at)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
                              $7::timestamptz[])",
    )
    .bind(made.iter().map(|(tenant_id, _, _)| *tenant_id).collect::<Vec<_>>())
    .bind(made.iter().map(|(_, _, new)| new.id).collect::<Vec<_>>())
    .bind(made.iter().map(|(_, licence_id, _)| *licence_id).collect::<Vec<_>>())
    .bind(made.iter().map(|(_, _, new)| new.fingerprint.as_str()).collect::<Vec<_>>())
    .bind(made.iter().map(|(_, _, new)| new.device_name.as_deref()).collect::<Vec<_>>())
    .bind(made.iter().map(|(_, _, new)| new.activated_at).collect::<Vec<_>>())
    .bind(left)
    .execute(connection)
    .await?;
    Ok(())
}

async fn deactivate(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    ended: &[(Uuid, Uuid)],
) -> sqlx::Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE activations a SET deactivated_at = $3
         FROM unnest($1::uuid[], $2::uuid[]) AS ended (tenant_id, id)
         WHERE a.tenant_id = ended.tenant_id AND a.id = ended.id AND a.deactivated_at IS NULL",
    )
    .bind(ended.iter().map(|(tenant_id, _)| *tenant_id).collect::<Vec<_>>())
    .bind(ended.iter().map(|(_, id)| *id).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn find(
    tx: &mut TenantTx,
    viewer: &Viewer,
    key: &LicenceKey,
) -> sqlx::Result<Option<LicenceState>> {
    let row: Option<LicenceRow> = sqlx::query_as(select_licences!(
        "licences l",
        "WHERE l.tenant_id = $1 AND l.key = $2 AND ($3::uuid IS NULL OR l.user_id = $3)"
    ))
    .bind(tx.tenant_id())
    .bind(key.as_str())
    .bind(viewer.only_user())
    .fetch_optional(tx.connection())
    .await?;
    row.map(LicenceState::try_from).transpose()
}

pub(crate) async fn list(
    tx: &mut TenantTx,
    viewer: &Viewer,
    page: &PageRequest,
) -> sqlx::Result<Page<LicenceState>> {
    let rows: Vec<LicenceRow> = sqlx::query_as(select_licences!(
        "licences l",
        "WHERE l.tenant_id = $1 AND ($2::uuid IS NULL OR l.user_id = $2)
           AND ($3::timestamptz IS NULL OR (l.created_at, l.id) < ($3, $4::uuid))
         ORDER BY l.created_at DESC, l.id DESC
         LIMIT $5"
    ))
    .bind(tx.tenant_id())
    .bind(viewer.only_user())
    .bind(page.after.map(|position| position.created_at))
    .bind(page.after.map(|position| position.id))
    .bind(page.rows_to_read())
    .fetch_all(tx.connection())
    .await?;
    let page = page.cut(rows, |row| Position { created_at: row.created_at, id: row.id });
    let next = page.next;
    let items = page.items.into_iter().map(LicenceState::try_from).collect::<sqlx::Result<Vec<_>>>()?;
    Ok(Page { list: page.list, items, next })
}

pub(crate) async fn of_order(
    tx: &mut TenantTx,
    viewer: &Viewer,
    order_id: Uuid,
) -> sqlx::Result<Vec<LicenceState>> {
    let rows: Vec<LicenceRow> = sqlx::query_as(select_licences!(
        "licences l",
        "WHERE l.tenant_id = $1 AND l.order_id = $2 AND ($3::uuid IS NULL OR l.user_id = $3)
         ORDER BY l.id"
    ))
    .bind(tx.tenant_id())
    .bind(order_id)
    .bind(viewer.only_user())
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(LicenceState::try_from).collect()
}

/// A licence that the operator issues: of no order.
pub(crate) struct IssuedLicence<'a> {
    pub id: Uuid,
    pub key: &'a LicenceKey,
    pub product_id: Uuid,
    pub user_id: Option<Uuid>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// False where the key is taken.
pub(crate) async fn insert_issued(tx: &mut TenantTx, licence: &IssuedLicence<'_>) -> sqlx::Result<bool> {
    let made = sqlx::query(
        "INSERT INTO licences (tenant_id, id, key, status, product_id, user_id, expires_at, created_at)
         VALUES ($1, $2, $3, 'ACTIVE', $4, $5, $6, $7)
         ON CONFLICT (tenant_id, key) DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(licence.id)
    .bind(licence.key.as_str())
    .bind(licence.product_id)
    .bind(licence.user_id)
    .bind(licence.expires_at)
    .bind(licence.created_at)
    .execute(tx.connection())
    .await?;
    Ok(made.rows_affected() == 1)
}

/// A product's id, kind and licence days.
pub(crate) async fn find_product(
    tx: &mut TenantTx,
    sku: &str,
) -> sqlx::Result<Option<(Uuid, String, Option<i32>)>> {
    let query = sqlx::query_as(
        "SELECT id, kind, licence_validity_days FROM products WHERE tenant_id = $1 AND sku = $2",
    );
    query.bind(tx.tenant_id()).bind(sku).fetch_optional(tx.connection()).await
}

pub(crate) async fn find_user_id(tx: &mut TenantTx, email: &str) -> sqlx::Result<Option<Uuid>> {
    let query = sqlx::query_scalar("SELECT id FROM users WHERE tenant_id = $1 AND email = $2");
    query.bind(tx.tenant_id()).bind(email).fetch_optional(tx.connection()).await
}

pub(crate) async fn owner_email(tx: &mut TenantTx, user_id: Uuid) -> sqlx::Result<Option<String>> {
    let query = sqlx::query_scalar("SELECT email FROM users WHERE tenant_id = $1 AND id = $2");
    query.bind(tx.tenant_id()).bind(user_id).fetch_optional(tx.connection()).await
}

/// Revokes a licence for good, and gives its id and its status before. None where it was revoked before.
pub(crate) async fn revoke(tx: &mut TenantTx, key: &LicenceKey) -> sqlx::Result<Option<(Uuid, String)>> {
    // One that its payment revoked is from now on revoked whatever the payment does.
    sqlx::query_as(
        "UPDATE licences l SET status = 'REVOKED', revoked_by_payment = false
         FROM (SELECT tenant_id, id, status FROM licences
               WHERE tenant_id = $1 AND key = $2 AND (status <> 'REVOKED' OR revoked_by_payment) FOR UPDATE) AS before
         WHERE l.tenant_id = before.tenant_id AND l.id = before.id
         RETURNING l.id, before.status",
    )
    .bind(tx.tenant_id())
    .bind(key.as_str())
    .fetch_optional(tx.connection())
    .await
}

/// The activations of a licence that have ended, newest first.
pub(crate) async fn ended_activations(
    tx: &mut TenantTx,
    licence_id: Uuid,
    at_most: i64,
) -> sqlx::Result<Vec<EndedActivation>> {
    sqlx::query_as(
        "SELECT fingerprint, device_name, activated_at, deactivated_at FROM activations
         WHERE tenant_id = $1 AND licence_id = $2 AND deactivated_at IS NOT NULL
         ORDER BY activated_at DESC, id DESC LIMIT $3",
    )
    .bind(tx.tenant_id())
    .bind(licence_id)
    .bind(at_most)
    .fetch_all(tx.connection())
    .await
}

/// Gives the shop `slug` a licence of its product `sku` that has expired and belongs to the user of this address, unless
/// it has one already, or lacks the product or the user.
pub(crate) async fn seed_expired(
    connection: &mut PgConnection,
    (slug, sku, email): (&str, &str, &str),
    licence: (Uuid, &LicenceKey),
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO licences (tenant_id, id, key, status, product_id, user_id, expires_at, created_at)
         SELECT t.id, $4, $5, 'ACTIVE', p.id, u.id, $6, $7
         FROM tenants t
         JOIN products p ON p.tenant_id = t.id AND p.sku = $2
         JOIN users u ON u.tenant_id = t.id AND u.email = $3
         WHERE t.slug = $1
           AND NOT EXISTS (SELECT FROM licences l WHERE l.tenant_id = t.id AND l.user_id = u.id AND l.order_id IS NULL)",
    )
    .bind(slug)
    .bind(sku)
    .bind(email)
    .bind(licence.0)
    .bind(licence.1.as_str())
    .bind(expires_at)
    .bind(created_at)
    .execute(connection)
    .await?;
    Ok(())
}
