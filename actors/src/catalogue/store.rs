//! The SQL of the catalogue.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Product, ProductKind};
use crate::database::tx::TenantTx;

#[derive(sqlx::FromRow)]
struct ProductRow {
    id: Uuid,
    sku: String,
    kind: String,
    name: String,
    unit_amount: i64,
    currency: String,
    active: bool,
    licence_validity_days: Option<i32>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ProductRow> for Product {
    type Error = sqlx::Error;

    fn try_from(row: ProductRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id,
            sku: row.sku,
            kind: ProductKind::parse(&row.kind)
                .ok_or_else(|| sqlx::Error::Decode("an unknown kind of product".into()))?,
            name: row.name,
            unit_amount: row.unit_amount,
            currency: row.currency,
            active: row.active,
            licence_days: row.licence_validity_days,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

macro_rules! select_products {
    ($which:literal) => {
        concat!(
            "SELECT id, sku, kind, name, unit_amount, currency, active, licence_validity_days, created_at, updated_at
             FROM products WHERE tenant_id = $1 ",
            $which
        )
    };
}

pub(super) async fn list(tx: &mut TenantTx) -> sqlx::Result<Vec<Product>> {
    let query = sqlx::query_as(select_products!("ORDER BY sku")).bind(tx.tenant_id());
    let rows: Vec<ProductRow> = query.fetch_all(tx.connection()).await?;
    rows.into_iter().map(Product::try_from).collect()
}

/// Locks a product, against being sold too: an order's row keeps its product from being locked like this.
pub(super) async fn lock(tx: &mut TenantTx, sku: &str) -> sqlx::Result<Option<Product>> {
    let query = sqlx::query_as(select_products!("AND sku = $2 FOR UPDATE")).bind(tx.tenant_id()).bind(sku);
    let row: Option<ProductRow> = query.fetch_optional(tx.connection()).await?;
    row.map(Product::try_from).transpose()
}

/// Whether anything hangs on the product.
pub(super) async fn is_referred_to(tx: &mut TenantTx, product_id: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM order_items WHERE tenant_id = $1 AND product_id = $2)
             OR EXISTS (SELECT 1 FROM licences WHERE tenant_id = $1 AND product_id = $2)
             OR EXISTS (SELECT 1 FROM releases WHERE tenant_id = $1 AND product_id = $2)
             OR EXISTS (SELECT 1 FROM bookings WHERE tenant_id = $1 AND product_id = $2)",
    )
    .bind(tx.tenant_id())
    .bind(product_id)
    .fetch_one(tx.connection())
    .await
}

/// False where another has just taken the sku.
pub(super) async fn insert(tx: &mut TenantTx, product: &Product) -> sqlx::Result<bool> {
    let made = sqlx::query(
        "INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, active, licence_validity_days,
                               created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         ON CONFLICT (tenant_id, sku) DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(product.id)
    .bind(&product.sku)
    .bind(product.kind.as_str())
    .bind(&product.name)
    .bind(product.unit_amount)
    .bind(&product.currency)
    .bind(product.active)
    .bind(product.licence_days)
    .bind(product.created_at)
    .execute(tx.connection())
    .await?;
    Ok(made.rows_affected() == 1)
}

pub(super) async fn update(tx: &mut TenantTx, product: &Product) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE products
         SET kind = $3, name = $4, unit_amount = $5, currency = $6, active = $7, licence_validity_days = $8,
             updated_at = $9
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(product.id)
    .bind(product.kind.as_str())
    .bind(&product.name)
    .bind(product.unit_amount)
    .bind(&product.currency)
    .bind(product.active)
    .bind(product.licence_days)
    .bind(product.updated_at)
    .execute(tx.connection())
    .await?;
    Ok(())
}
