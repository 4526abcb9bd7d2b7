//! Attempts at a payment, and the Checkout Sessions that they come to.
//!
//! The present attempt is in the payment's row, the ones before it in `payment_attempts`. An attempt is noted before the
//! provider is asked for it. Whichever session is paid counts; the others are then ended.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::messages::{AttachCheckout, Attempt, AttemptRecord, ReturnPages};
use super::views::CheckoutView;
use crate::database::tx::TenantTx;
use crate::outbox::{NewMessage, Sort, enqueue};
use crate::random;
use crate::webhook::OrderStatusChanged;

/// The message by which the sessions of a paid order are ended that can still be paid. Its payload is `{orderId}`.
pub const END_SESSIONS: &str = "payment.end-sessions";

const OTHER_SESSIONS: Sort = Sort::new("end-sessions");

#[derive(sqlx::FromRow)]
struct PresentRow {
    id: Uuid,
    is_pending: bool,
    attempt: i32,
    started_at: DateTime<Utc>,
    success_url: Option<String>,
    cancel_url: Option<String>,
    session_id: Option<String>,
    checkout_url: Option<String>,
    expires_at: Option<DateTime<Utc>>,
}

impl PresentRow {
    fn attempt(self) -> Attempt {
        let checkout = self.session_id.zip(self.checkout_url).zip(self.expires_at);
        Attempt {
            number: self.attempt,
            started_at: self.started_at,
            returns: self
                .success_url
                .zip(self.cancel_url)
                .map(|(success_url, cancel_url)| ReturnPages { success_url, cancel_url }),
            checkout: checkout.map(|((session_id, url), expires_at)| CheckoutView {
                session_id,
                url,
                expires_at,
            }),
        }
    }
}

/// The statement that reads the present attempt at an order's payment.
macro_rules! select_present {
    ($lock:literal) => {
        concat!(
            "SELECT id, status NOT IN ('PAID', 'REFUNDED') AS is_pending, attempt,
                    coalesce(attempt_started_at, created_at) AS started_at, success_url, cancel_url,
                    provider_session_id AS session_id, checkout_url, checkout_expires_at AS expires_at
             FROM payments WHERE tenant_id = $1 AND order_id = $2 ",
            $lock
        )
    };
}

/// The present attempt at an order's payment. Not locked: its reader holds the checkout's key, which is locked after
/// payments elsewhere.
pub(super) async fn present(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    order_id: Uuid,
) -> sqlx::Result<Attempt> {
    let query = sqlx::query_as(select_present!("")).bind(tenant_id).bind(order_id);
    Ok(PresentRow::attempt(query.fetch_one(connection).await?))
}

/// Begins the attempt after `after`, unless that was done meanwhile, or the order is paid. An order that ended with an
/// earlier attempt waits for its payment again.
pub(super) async fn begin(
    tx: &mut TenantTx,
    order_id: Uuid,
    after: i32,
    now: DateTime<Utc>,
) -> sqlx::Result<Attempt> {
    let tenant_id = tx.tenant_id();
    // Orders are locked before their payments, as provider events lock them.
    let status: String =
        sqlx::query_scalar("SELECT status FROM orders WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
            .bind(tenant_id)
            .bind(order_id)
            .fetch_one(tx.connection())
            .await?;
    let query = sqlx::query_as(select_present!("FOR UPDATE")).bind(tenant_id).bind(order_id);
    let present: PresentRow = query.fetch_one(tx.connection()).await?;
    if present.attempt != after || !present.is_pending {
        return Ok(present.attempt());
    }
    if status != "PENDING" {
        reopen(tx, order_id, status, now).await?;
    }
    sqlx::query(
        "INSERT INTO payment_attempts (tenant_id, id, payment_id, attempt, started_at, session_id)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant_id)
    .bind(random::row_id(now))
    .bind(present.id)
    .bind(present.attempt)
    .bind(present.started_at)
    .bind(&present.session_id)
    .execute(tx.connection())
    .await?;
    sqlx::query(
        "UPDATE payments
         SET attempt = attempt + 1, attempt_started_at = $3, provider_session_id = NULL, checkout_url = NULL,
             checkout_expires_at = NULL, updated_at = greatest(updated_at, $3)
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant_id)
    .bind(present.id)
    .bind(now)
    .execute(tx.connection())
    .await?;
    self::present(tx.connection(), tenant_id, order_id).await
}

/// An order that expired or failed waits for its payment again, under its own number and its invoice's.
async fn reopen(tx: &mut TenantTx, order_id: Uuid, from: String, now: DateTime<Utc>) -> sqlx::Result<()> {
    let tenant_id = tx.tenant_id();
    sqlx::query(
        "WITH ordered AS (
             UPDATE orders SET status = 'PENDING' WHERE tenant_id = $1 AND id = $2
         ), invoiced AS (
             UPDATE invoices SET status = 'OPEN' WHERE tenant_id = $1 AND order_id = $2
         )
         UPDATE payments SET status = 'PENDING', next_reconcile_at = NULL WHERE tenant_id = $1 AND order_id = $2",
    )
    .bind(tenant_id)
    .bind(order_id)
    .execute(tx.connection())
    .await?;
    tx.emit(now, OrderStatusChanged { tenant_id, order_id, from, to: "PENDING".to_owned() });
    Ok(())
}

/// All attempts at an order's payment, the present one last.
pub(super) async fn list(tx: &mut TenantTx, order_id: Uuid) -> sqlx::Result<Vec<AttemptRecord>> {
    sqlx::query_as(
        "SELECT started_at, session_id FROM (
             SELECT a.attempt, a.started_at, a.session_id
             FROM payments p JOIN payment_attempts a ON a.tenant_id = p.tenant_id AND a.payment_id = p.id
             WHERE p.tenant_id = $1 AND p.order_id = $2
             UNION ALL
             SELECT attempt, coalesce(attempt_started_at, created_at), provider_session_id
             FROM payments WHERE tenant_id = $1 AND order_id = $2) AS attempts
         ORDER BY attempt",
    )
    .bind(tx.tenant_id())
    .bind(order_id)
    .fetch_all(tx.connection())
    .await
}

/// Writes the Checkout Sessions of a batch: on the payments, and where provider events find them. The present attempt's
/// session is the payment's; another one is it only where there is none.
pub(super) async fn attach(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    attachments: &[AttachCheckout],
) -> sqlx::Result<()> {
    let tenants: Vec<Uuid> = attachments.iter().map(|attach| attach.scope.tenant_id()).collect();
    let orders: Vec<Uuid> = attachments.iter().map(|attach| attach.order_id).collect();
    let sessions: Vec<&str> = attachments.iter().map(|attach| attach.checkout.session_id.as_str()).collect();
    let urls: Vec<&str> = attachments.iter().map(|attach| attach.checkout.url.as_str()).collect();
    let expiries: Vec<DateTime<Utc>> = attachments.iter().map(|attach| attach.checkout.expires_at).collect();
    let attempts: Vec<Option<i32>> = attachments.iter().map(|attach| attach.attempt).collect();
    // The payments are locked in a sorted order first: their events may be arriving at another process.
    let late: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "WITH locked AS (
             SELECT p.tenant_id, p.id, p.order_id, new.session_id, new.url, new.expires_at, new.attempt
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::integer[])
                      AS new (tenant_id, order_id, session_id, url, expires_at, attempt)
             JOIN payments p ON p.tenant_id = new.tenant_id AND p.order_id = new.order_id
             ORDER BY p.tenant_id, p.order_id FOR UPDATE OF p
         ), routed AS (
             INSERT INTO payment_refs (provider, ref, tenant_id, payment_id, order_id)
             SELECT 'STRIPE', session_id, tenant_id, id, order_id FROM locked ORDER BY session_id
             ON CONFLICT (provider, ref) DO NOTHING
         ), attached AS (
             UPDATE payments p
             SET provider_session_id = l.session_id, checkout_url = l.url, checkout_expires_at = l.expires_at,
                 updated_at = greatest(p.updated_at, $7)
             FROM locked l
             WHERE p.tenant_id = l.tenant_id AND p.id = l.id
               AND (p.provider_session_id IS NULL OR p.provider_session_id = l.session_id OR p.attempt = l.attempt)
             RETURNING p.tenant_id, p.order_id, p.attempt, p.status
         )
         SELECT tenant_id, order_id FROM attached WHERE attempt > 1 AND status IN ('PAID', 'REFUNDED')",
    )
    .bind(tenants)
    .bind(orders)
    .bind(sessions)
    .bind(urls)
    .bind(expiries)
    .bind(attempts)
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    // Paid by an earlier session while this one was being made: it must not be paid as well.
    let messages: Vec<NewMessage> =
        late.into_iter().map(|(tenant_id, order_id)| end_sessions(tenant_id, order_id)).collect();
    enqueue(connection, now, &messages).await
}

/// Has the sessions of a paid order ended that can still be paid.
pub(crate) fn end_sessions(tenant_id: Uuid, order_id: Uuid) -> NewMessage {
    let payload = json!({ "orderId": order_id });
    NewMessage { tenant_id, topic: END_SESSIONS, sort: OTHER_SESSIONS, subject: None, payload }
}
