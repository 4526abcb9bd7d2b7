//! The SQL of releases and of the entitlements to them.

use chrono::{DateTime, Utc};
use primetech_kernel::caller::Viewer;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::page::{Page, PageRequest, Position};
use primetech_kernel::stored_file::{StoredFile, hex, sha256_of_row};
use uuid::Uuid;

use crate::access::ReleaseState;
use crate::views::*;

/// What is read of each release.
macro_rules! release_columns {
    () => {
        "r.id, p.sku AS product_sku, r.version, r.channel, r.platform, r.file_name, r.size_bytes, r.sha256, r.notes,
         r.published_at"
    };
}

#[derive(sqlx::FromRow)]
pub(crate) struct ReleaseRow {
    id: Uuid,
    product_sku: String,
    version: String,
    channel: String,
    platform: String,
    file_name: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    notes: Option<String>,
    published_at: DateTime<Utc>,
}

impl From<ReleaseRow> for ReleaseView {
    fn from(row: ReleaseRow) -> Self {
        Self {
            id: row.id,
            product_sku: row.product_sku,
            version: row.version,
            channel: row.channel,
            platform: row.platform,
            file_name: row.file_name,
            size_bytes: row.size_bytes,
            sha256: hex(&row.sha256),
            notes: row.notes,
            published_at: row.published_at,
        }
    }
}

pub(crate) async fn list(tx: &mut TenantTx, page: &PageRequest) -> sqlx::Result<Page<ReleaseView>> {
    let rows: Vec<ReleaseRow> = sqlx::query_as(concat!(
        "SELECT ",
        release_columns!(),
        " FROM releases r JOIN products p ON p.tenant_id = r.tenant_id AND p.id = r.product_id
         WHERE r.tenant_id = $1 AND r.published_at IS NOT NULL
           AND ($2::timestamptz IS NULL OR (r.published_at, r.id) < ($2, $3::uuid))
         ORDER BY r.published_at DESC, r.id DESC
         LIMIT $4"
    ))
    .bind(tx.tenant_id())
    .bind(page.after.map(|position| position.created_at))
    .bind(page.after.map(|position| position.id))
    .bind(page.rows_to_read())
    .fetch_all(tx.connection())
    .await?;
    let page = page.cut(rows, |row| Position { created_at: row.published_at, id: row.id });
    Ok(page.map(ReleaseView::from))
}

#[derive(sqlx::FromRow)]
struct DownloadRow {
    #[sqlx(flatten)]
    release: ReleaseRow,
    entitlement_id: Uuid,
    available_at: DateTime<Utc>,
    pair_id: Uuid,
}

/// An entry is there from the moment on that both its entitlement and its release are: that is its place in the list,
/// so that what is bought or published later comes first, and none that comes later shifts a page. Entries of one
/// moment are told apart by a number made of both ids.
pub(crate) async fn list_downloads(
    tx: &mut TenantTx,
    user_id: Uuid,
    page: &PageRequest,
) -> sqlx::Result<Page<DownloadView>> {
    let rows: Vec<DownloadRow> = sqlx::query_as(concat!(
        "SELECT * FROM (
             SELECT ",
        release_columns!(),
        ", e.id AS entitlement_id, greatest(r.published_at, e.created_at) AS available_at,
                md5(r.id::text || e.id::text)::uuid AS pair_id
             FROM entitlements e
             JOIN releases r ON r.tenant_id = e.tenant_id AND r.product_id = e.product_id
                            AND r.published_at IS NOT NULL
             JOIN products p ON p.tenant_id = r.tenant_id AND p.id = r.product_id
             WHERE e.tenant_id = $1 AND e.user_id = $2 AND e.revoked_at IS NULL
         ) AS downloads
         WHERE $3::timestamptz IS NULL OR (available_at, pair_id) < ($3, $4::uuid)
         ORDER BY available_at DESC, pair_id DESC
         LIMIT $5"
    ))
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(page.after.map(|position| position.created_at))
    .bind(page.after.map(|position| position.id))
    .bind(page.rows_to_read())
    .fetch_all(tx.connection())
    .await?;
    let page = page.cut(rows, |row| Position { created_at: row.available_at, id: row.pair_id });
    Ok(page.map(|row| DownloadView { release: row.release.into(), entitlement_id: row.entitlement_id }))
}

#[derive(sqlx::FromRow)]
struct StateRow {
    published: bool,
    file_name: String,
    bucket: String,
    object_key: String,
    size_bytes: i64,
    sha256: Vec<u8>,
    entitled: bool,
}

pub(crate) async fn find(
    tx: &mut TenantTx,
    viewer: &Viewer,
    release_id: Uuid,
) -> sqlx::Result<Option<ReleaseState>> {
    let row: Option<StateRow> = sqlx::query_as(
        "SELECT r.published_at IS NOT NULL AS published, r.file_name, r.bucket, r.object_key, r.size_bytes, r.sha256,
                EXISTS (
                    SELECT 1 FROM entitlements e
                    WHERE e.tenant_id = r.tenant_id AND e.user_id = $3 AND e.product_id = r.product_id
                      AND e.revoked_at IS NULL
                ) AS entitled
         FROM releases r WHERE r.tenant_id = $1 AND r.id = $2",
    )
    .bind(tx.tenant_id())
    .bind(release_id)
    .bind(viewer.user_id)
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(ReleaseState {
            published: row.published,
            file_name: row.file_name,
            file: StoredFile {
                sha256: sha256_of_row(&row.sha256)?,
                bucket: row.bucket,
                object_key: row.object_key,
                size_bytes: row.size_bytes,
            },
            entitled: row.entitled,
        })
    })
    .transpose()
}

pub(crate) async fn exists(tx: &mut TenantTx, release_id: Uuid) -> sqlx::Result<bool> {
    let (exists,): (bool,) =
        sqlx::query_as("SELECT EXISTS (SELECT 1 FROM releases WHERE tenant_id = $1 AND id = $2)")
            .bind(tx.tenant_id())
            .bind(release_id)
            .fetch_one(tx.connection())
            .await?;
    Ok(exists)
}

#[derive(sqlx::FromRow)]
pub(crate) struct ProductRow {
    pub id: Uuid,
    pub kind: String,
}

pub(crate) async fn product(tx: &mut TenantTx, sku: &str) -> sqlx::Result<Option<ProductRow>> {
    sqlx::query_as("SELECT id, kind FROM products WHERE tenant_id = $1 AND sku = $2")
        .bind(tx.tenant_id())
        .bind(sku)
        .fetch_optional(tx.connection())
        .await
}

pub(crate) async fn is_published(
    tx: &mut TenantTx,
    product_id: Uuid,
    version: &str,
    channel: &str,
    platform: &str,
) -> sqlx::Result<bool> {
    let (published,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (
             SELECT 1 FROM releases
             WHERE tenant_id = $1 AND product_id = $2 AND version = $3 AND channel = $4 AND platform = $5
               AND published_at IS NOT NULL)",
    )
    .bind(tx.tenant_id())
    .bind(product_id)
    .bind(version)
    .bind(channel)
    .bind(platform)
    .fetch_one(tx.connection())
    .await?;
    Ok(published)
}

/// Writes a published release, in place of one of the same version that was never published. None where the version
/// is published already.
pub(crate) async fn publish(
    tx: &mut TenantTx,
    product_id: Uuid,
    release: &NewRelease,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<ReleaseView>> {
    let row: Option<ReleaseRow> = sqlx::query_as(concat!(
        "WITH r AS (
             INSERT INTO releases (tenant_id, id, product_id, version, channel, platform, file_name, size_bytes,
                                   sha256, notes, bucket, object_key, created_at, published_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
             ON CONFLICT (tenant_id, product_id, version, channel, platform) DO UPDATE
             SET file_name = excluded.file_name, size_bytes = excluded.size_bytes, sha256 = excluded.sha256,
                 notes = excluded.notes, bucket = excluded.bucket, object_key = excluded.object_key,
                 published_at = excluded.published_at
             WHERE releases.published_at IS NULL
             RETURNING *
         )
         SELECT ",
        release_columns!(),
        " FROM r JOIN products p ON p.tenant_id = r.tenant_id AND p.id = r.product_id"
    ))
    .bind(tx.tenant_id())
    .bind(release.id)
    .bind(product_id)
    .bind(&release.version)
    .bind(&release.channel)
    .bind(&release.platform)
    .bind(&release.file_name)
    .bind(release.file.size_bytes)
    .bind(release.file.sha256.as_slice())
    .bind(release.notes.as_deref())
    .bind(&release.file.bucket)
    .bind(&release.file.object_key)
    .bind(now)
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(ReleaseView::from))
}
