//! The SQL of orders, invoices, payments and receipts.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::attempts;
use super::messages::{Attempt, OrderRef, Viewer};
use super::views::*;
use crate::database::tx::TenantTx;
use crate::page::{Page, PageRequest, Position};

/// The statement that reads orders with their document numbers.
macro_rules! select_orders {
    ($which:literal) => {
        concat!(
            "SELECT o.id, o.number, o.status, o.currency, o.total, i.number AS invoice_number,
                    r.number AS receipt_number, o.created_at, o.paid_at,
                    (SELECT (ARRAY['WON', 'OPEN', 'LOST'])[max(array_position(ARRAY['WON', 'OPEN', 'LOST'], d.status))]
                     FROM payments p
                     JOIN payment_disputes d ON d.tenant_id = p.tenant_id AND d.payment_id = p.id
                     WHERE p.tenant_id = o.tenant_id AND p.order_id = o.id) AS dispute
             FROM orders o
             JOIN invoices i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
             LEFT JOIN receipts r ON r.tenant_id = o.tenant_id AND r.order_id = o.id ",
            $which
        )
    };
}

/// The statement that reads invoices with their order's number.
macro_rules! select_invoices {
    ($which:literal) => {
        concat!(
            "SELECT i.number, i.status, i.order_id, o.number AS order_number, i.currency, i.subtotal, i.tax, i.total,
                    i.bill_to_name, i.bill_to_email, i.issued_at, i.paid_at
             FROM invoices i JOIN orders o ON o.tenant_id = i.tenant_id AND o.id = i.order_id ",
            $which
        )
    };
}

#[derive(sqlx::FromRow)]
struct OrderRow {
    id: Uuid,
    number: String,
    status: String,
    currency: String,
    total: i64,
    invoice_number: String,
    receipt_number: Option<String>,
    created_at: DateTime<Utc>,
    paid_at: Option<DateTime<Utc>>,
    dispute: Option<String>,
}

impl OrderRow {
    fn with(self, items: Vec<ItemView>) -> OrderView {
        OrderView {
            id: self.id,
            number: self.number,
            status: self.status,
            currency: self.currency,
            total: self.total,
            items,
            invoice_number: self.invoice_number,
            receipt_number: self.receipt_number,
            created_at: self.created_at,
            paid_at: self.paid_at,
            dispute: self.dispute,
        }
    }
}

pub(super) async fn find_order(
    tx: &mut TenantTx,
    viewer: &Viewer,
    order: &OrderRef,
) -> sqlx::Result<Option<OrderView>> {
    let (id, number) = match order {
        OrderRef::Id(id) => (Some(*id), None),
        OrderRef::Number(number) => (None, Some(number.as_str())),
    };
    let query = match order {
        OrderRef::Id(_) => {
            select_orders!(
                "WHERE o.tenant_id = $1 AND o.id = $2 AND $3::text IS NULL AND ($4::uuid IS NULL OR o.user_id = $4)"
            )
        }
        OrderRef::Number(_) => {
            select_orders!(
                "WHERE o.tenant_id = $1 AND $2::uuid IS NULL AND o.number = $3 AND ($4::uuid IS NULL OR o.user_id = $4)"
            )
        }
    };
    let row: Option<OrderRow> = sqlx::query_as(query)
        .bind(tx.tenant_id())
        .bind(id)
        .bind(number)
        .bind(viewer.only_user())
        .fetch_optional(tx.connection())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let tenant_id = tx.tenant_id();
    let mut items = items_of(tx.connection(), tenant_id, &[row.id]).await?;
    let of_this = items.remove(&row.id).unwrap_or_default();
    Ok(Some(row.with(of_this)))
}

pub(super) async fn list_orders(
    tx: &mut TenantTx,
    viewer: &Viewer,
    page: &PageRequest,
) -> sqlx::Result<Page<OrderView>> {
    let rows: Vec<OrderRow> = sqlx::query_as(select_orders!(
        "WHERE o.tenant_id = $1 AND ($2::uuid IS NULL OR o.user_id = $2)
           AND ($3::timestamptz IS NULL OR (o.created_at, o.id) < ($3, $4::uuid))
         ORDER BY o.created_at DESC, o.id DESC
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
    let ids: Vec<Uuid> = page.items.iter().map(|row| row.id).collect();
    let tenant_id = tx.tenant_id();
    let mut items = items_of(tx.connection(), tenant_id, &ids).await?;
    Ok(page.map(|row| {
        let of_this = items.remove(&row.id).unwrap_or_default();
        row.with(of_this)
    }))
}

async fn items_of(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    order_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<ItemView>>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        order_id: Uuid,
        sku: String,
        name: String,
        quantity: i32,
        unit_amount: i64,
        total: i64,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT order_id, sku, name, quantity, unit_amount, total FROM order_items
         WHERE tenant_id = $1 AND order_id = ANY ($2) ORDER BY order_id, position",
    )
    .bind(tenant_id)
    .bind(order_ids)
    .fetch_all(connection)
    .await?;
    let mut items: HashMap<Uuid, Vec<ItemView>> = HashMap::new();
    for row in rows {
        items.entry(row.order_id).or_default().push(ItemView {
            sku: row.sku,
            name: row.name,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            total: row.total,
        });
    }
    Ok(items)
}

#[derive(sqlx::FromRow)]
struct InvoiceRow {
    number: String,
    status: String,
    order_id: Uuid,
    order_number: String,
    currency: String,
    subtotal: i64,
    tax: i64,
    total: i64,
    bill_to_name: Option<String>,
    bill_to_email: String,
    issued_at: DateTime<Utc>,
    paid_at: Option<DateTime<Utc>>,
}

impl InvoiceRow {
    fn with(self, lines: Vec<ItemView>) -> InvoiceView {
        InvoiceView {
            number: self.number,
            status: self.status,
            order_id: self.order_id,
            order_number: self.order_number,
            currency: self.currency,
            subtotal: self.subtotal,
            tax: self.tax,
            total: self.total,
            lines,
            bill_to: BillTo { name: self.bill_to_name, email: self.bill_to_email },
            issued_at: self.issued_at,
            paid_at: self.paid_at,
        }
    }
}

pub(crate) async fn find_invoice(
    tx: &mut TenantTx,
    viewer: &Viewer,
    number: &str,
) -> sqlx::Result<Option<InvoiceView>> {
    let row: Option<InvoiceRow> = sqlx::query_as(select_invoices!(
        "WHERE i.tenant_id = $1 AND i.number = $2 AND ($3::uuid IS NULL OR o.user_id = $3)"
    ))
    .bind(tx.tenant_id())
    .bind(number)
    .bind(viewer.only_user())
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let tenant_id = tx.tenant_id();
    let mut items = items_of(tx.connection(), tenant_id, &[row.order_id]).await?;
    let lines = items.remove(&row.order_id).unwrap_or_default();
    Ok(Some(row.with(lines)))
}

#[derive(sqlx::FromRow)]
struct ReceiptRow {
    number: String,
    order_id: Uuid,
    order_number: String,
    invoice_number: String,
    currency: String,
    total: i64,
    paid_at: DateTime<Utc>,
    issued_at: DateTime<Utc>,
    provider: String,
    provider_payment_id: Option<String>,
}

pub(crate) async fn find_receipt(
    tx: &mut TenantTx,
    viewer: &Viewer,
    number: &str,
) -> sqlx::Result<Option<ReceiptView>> {
    let row: Option<ReceiptRow> = sqlx::query_as(
        "SELECT r.number, r.order_id, o.number AS order_number, i.number AS invoice_number, r.currency, r.total,
                r.paid_at, r.created_at AS issued_at, r.provider, r.provider_payment_id
         FROM receipts r
         JOIN orders o ON o.tenant_id = r.tenant_id AND o.id = r.order_id
         JOIN invoices i ON i.tenant_id = r.tenant_id AND i.order_id = r.order_id
         WHERE r.tenant_id = $1 AND r.number = $2 AND ($3::uuid IS NULL OR o.user_id = $3)",
    )
    .bind(tx.tenant_id())
    .bind(number)
    .bind(viewer.only_user())
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| ReceiptView {
        number: row.number,
        order_id: row.order_id,
        order_number: row.order_number,
        invoice_number: row.invoice_number,
        currency: row.currency,
        total: row.total,
        paid_at: row.paid_at,
        issued_at: row.issued_at,
        provider: row.provider,
        provider_payment_id: row.provider_payment_id,
    }))
}

/// An order, its invoice and the present attempt at its payment: what a checkout that goes on from an earlier try needs.
pub(crate) async fn find_placed(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    order_id: Uuid,
) -> sqlx::Result<(OrderView, InvoiceView, Attempt)> {
    let order: OrderRow = sqlx::query_as(select_orders!("WHERE o.tenant_id = $1 AND o.id = $2"))
        .bind(tenant_id)
        .bind(order_id)
        .fetch_one(&mut *connection)
        .await?;
    let invoice: InvoiceRow = sqlx::query_as(select_invoices!("WHERE i.tenant_id = $1 AND i.order_id = $2"))
        .bind(tenant_id)
        .bind(order_id)
        .fetch_one(&mut *connection)
        .await?;
    let attempt = attempts::present(connection, tenant_id, order_id).await?;
    let mut items = items_of(connection, tenant_id, &[order_id]).await?;
    let lines = items.remove(&order_id).unwrap_or_default();
    Ok((order.with(lines.clone()), invoice.with(lines), attempt))
}
