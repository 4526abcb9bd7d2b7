//! The SQL that writes a batch of orders.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// A product as it is sold at this moment.
#[derive(sqlx::FromRow, Debug, Clone)]
pub(super) struct ProductRow {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub sku: String,
    pub kind: String,
    pub name: String,
    pub unit_amount: i64,
    pub currency: String,
    pub licence_validity_days: Option<i32>,
}

/// The active products among `wanted`.
pub(super) async fn find_products<'a>(
    connection: &mut PgConnection,
    wanted: impl Iterator<Item = (Uuid, &'a str)>,
) -> sqlx::Result<HashMap<(Uuid, String), ProductRow>> {
    let distinct: BTreeSet<(Uuid, &str)> = wanted.collect();
    let (tenants, skus): (Vec<Uuid>, Vec<&str>) = distinct.into_iter().unzip();
    let rows: Vec<ProductRow> = sqlx::query_as(
        "SELECT p.tenant_id, p.id, p.sku, p.kind, p.name, p.unit_amount, p.currency, p.licence_validity_days
         FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, sku)
         JOIN products p ON p.tenant_id = wanted.tenant_id AND p.sku = wanted.sku
         WHERE p.active",
    )
    .bind(tenants)
    .bind(skus)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.tenant_id, row.sku.clone()), row)).collect())
}

/// An order to be written, with all that belongs to it.
#[derive(Debug)]
pub(super) struct NewOrder {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub number: String,
    pub user_id: Uuid,
    pub currency: String,
    pub total: i64,
    pub items: Vec<NewItem>,
    pub invoice_id: Uuid,
    pub invoice_number: String,
    pub bill_to_name: Option<String>,
    pub bill_to_email: String,
    pub payment_id: Uuid,
    pub success_url: String,
    pub cancel_url: String,
}

#[derive(Debug)]
pub(super) struct NewItem {
    pub id: Uuid,
    pub product: ProductRow,
    pub quantity: i32,
    pub total: i64,
}

/// Writes all orders: one statement for each table.
pub(super) async fn insert_orders(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    orders: &[NewOrder],
) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    insert_order_rows(connection, now, orders).await?;
    insert_item_rows(connection, orders).await?;
    insert_invoice_and_payment_rows(connection, now, orders).await
}

async fn insert_order_rows(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    orders: &[NewOrder],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO orders (tenant_id, id, number, user_id, status, currency, total, created_at)
         SELECT new.tenant_id, new.id, new.number, new.user_id, 'PENDING', new.currency, new.total, $7
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::bigint[])
              AS new (tenant_id, id, number, user_id, currency, total)",
    )
    .bind(column(orders, |order| order.tenant_id))
    .bind(column(orders, |order| order.id))
    .bind(column(orders, |order| order.number.as_str()))
    .bind(column(orders, |order| order.user_id))
    .bind(column(orders, |order| order.currency.as_str()))
    .bind(column(orders, |order| order.total))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_item_rows(connection: &mut PgConnection, orders: &[NewOrder]) -> sqlx::Result<()> {
    let items: Vec<(&NewOrder, i32, &NewItem)> = orders
        .iter()
        .flat_map(|order| (1..).zip(&order.items).map(move |(position, item)| (order, position, item)))
        .collect();
    sqlx::query(
        "INSERT INTO order_items (tenant_id, id, order_id, position, product_id, sku, name, kind, quantity,
                                  unit_amount, total, licence_validity_days)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::uuid[], $6::text[], $7::text[],
                              $8::text[], $9::integer[], $10::bigint[], $11::bigint[], $12::integer[])",
    )
    .bind(column(&items, |(order, _, _)| order.tenant_id))
    .bind(column(&items, |(_, _, item)| item.id))
    .bind(column(&items, |(order, _, _)| order.id))
    .bind(column(&items, |(_, position, _)| *position))
    .bind(column(&items, |(_, _, item)| item.product.id))
    .bind(column(&items, |(_, _, item)| item.product.sku.as_str()))
    .bind(column(&items, |(_, _, item)| item.product.name.as_str()))
    .bind(column(&items, |(_, _, item)| item.product.kind.as_str()))
    .bind(column(&items, |(_, _, item)| item.quantity))
    .bind(column(&items, |(_, _, item)| item.product.unit_amount))
    .bind(column(&items, |(_, _, item)| item.total))
    .bind(column(&items, |(_, _, item)| item.product.licence_validity_days))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_invoice_and_payment_rows(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    orders: &[NewOrder],
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH new AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::text[],
                                  $8::text[], $9::uuid[], $11::text[], $12::text[])
                 AS new (tenant_id, order_id, currency, total, invoice_id, invoice_number, bill_to_name, bill_to_email,
                         payment_id, success_url, cancel_url)
         ), invoiced AS (
             INSERT INTO invoices (tenant_id, id, number, order_id, status, currency, subtotal, tax, total,
                                   bill_to_name, bill_to_email, issued_at,
                                   seller_name, seller_address, seller_tax_id, seller_paper)
             SELECT new.tenant_id, invoice_id, invoice_number, order_id, 'OPEN', currency, total, 0, total,
                    bill_to_name, bill_to_email, $10, t.name, t.address, t.tax_id, t.paper
             -- The seller belongs to the invoice: what becomes of the tenant later does not change it.
             FROM new JOIN tenants t ON t.id = new.tenant_id
         )
         INSERT INTO payments (tenant_id, id, order_id, provider, status, amount, currency, success_url, cancel_url,
                               created_at, updated_at)
         SELECT tenant_id, payment_id, order_id, 'STRIPE', 'PENDING', total, currency, success_url, cancel_url, $10, $10
         FROM new",
    )
    .bind(column(orders, |order| order.tenant_id))
    .bind(column(orders, |order| order.id))
    .bind(column(orders, |order| order.currency.as_str()))
    .bind(column(orders, |order| order.total))
    .bind(column(orders, |order| order.invoice_id))
    .bind(column(orders, |order| order.invoice_number.as_str()))
    .bind(column(orders, |order| order.bill_to_name.as_deref()))
    .bind(column(orders, |order| order.bill_to_email.as_str()))
    .bind(column(orders, |order| order.payment_id))
    .bind(now)
    .bind(column(orders, |order| order.success_url.as_str()))
    .bind(column(orders, |order| order.cancel_url.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

/// One column of a batch, as PostgreSQL's `unnest` takes it.
fn column<'a, R, V>(rows: &'a [R], value: impl Fn(&'a R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
