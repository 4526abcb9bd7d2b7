//! The SQL that finds payments to ask about and leases them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// A payment that this process may ask about until its lease ends.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Leased {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub order_id: Uuid,
    pub session_id: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Which attempt at the provider is the present one, and when it began.
    pub attempt: i32,
    pub attempted_at: DateTime<Utc>,
}

/// Takes those candidates that are pending and that nobody else has.
///
/// From each candidate to its row, and by the row's place: whatever the tables' sizes were when this was planned, no plan
/// goes through all payments to find a few.
macro_rules! lease {
    ($candidates:literal, $which:literal) => {
        concat!(
            "UPDATE payments AS p SET reconcile_leased_until = $2
             WHERE p.ctid = ANY (ARRAY(
                 SELECT due.ctid FROM (",
            $candidates,
            ") AS candidate
                 CROSS JOIN LATERAL (
                     SELECT ctid, coalesce(next_reconcile_at, created_at) AS due_at FROM payments
                     WHERE tenant_id = candidate.tenant_id AND id = candidate.id AND status = 'PENDING'
                       AND (reconcile_leased_until IS NULL OR reconcile_leased_until <= $1)
                     FOR UPDATE SKIP LOCKED
                 ) AS due ",
            $which,
            "))
             RETURNING p.tenant_id, p.id, p.order_id, p.provider_session_id AS session_id,
                       p.checkout_expires_at AS expires_at, p.created_at, p.attempt,
                       coalesce(p.attempt_started_at, p.created_at) AS attempted_at"
        )
    };
}

/// Takes up to `limit` payments whose time has come: those asked about before when they are due, the others once they
/// are as old as `never_asked_before`.
pub(super) async fn lease_due(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    never_asked_before: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<Leased>> {
    sqlx::query_as(lease!(
        // Each kind by its own index: one condition for both would have every pending payment read at each sweep.
        "(SELECT tenant_id, id FROM payments
          WHERE status = 'PENDING' AND next_reconcile_at IS NOT NULL AND next_reconcile_at <= $1
            AND (reconcile_leased_until IS NULL OR reconcile_leased_until <= $1)
          ORDER BY next_reconcile_at LIMIT $4)
         UNION ALL
         (SELECT tenant_id, id FROM payments
          WHERE status = 'PENDING' AND next_reconcile_at IS NULL AND created_at <= $3
            AND (reconcile_leased_until IS NULL OR reconcile_leased_until <= $1)
          ORDER BY created_at LIMIT $4)",
        "ORDER BY due.due_at LIMIT $4"
    ))
    .bind(now)
    .bind(leased_until)
    .bind(never_asked_before)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// Takes those of `ids` that are still pending and not taken, due or not.
pub(super) async fn lease_chosen(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    ids: &[(Uuid, Uuid)],
) -> sqlx::Result<Vec<Leased>> {
    let (tenants, ids): (Vec<Uuid>, Vec<Uuid>) = ids.iter().copied().unzip();
    sqlx::query_as(lease!("SELECT * FROM unnest($3::uuid[], $4::uuid[]) AS chosen (tenant_id, id)", ""))
        .bind(now)
        .bind(leased_until)
        .bind(tenants)
        .bind(ids)
        .fetch_all(connection)
        .await
}

/// All pending payments, the oldest first, `at_most` of them.
pub(super) async fn pending(
    connection: &mut PgConnection,
    tenant_id: Option<Uuid>,
    order_id: Option<Uuid>,
    at_most: i64,
) -> sqlx::Result<Vec<(Uuid, Uuid)>> {
    sqlx::query_as(
        "SELECT tenant_id, id FROM payments
         WHERE status = 'PENDING' AND ($1::uuid IS NULL OR tenant_id = $1) AND ($2::uuid IS NULL OR order_id = $2)
         ORDER BY created_at LIMIT $3",
    )
    .bind(tenant_id)
    .bind(order_id)
    .bind(at_most)
    .fetch_all(connection)
    .await
}

/// Gives a payment back, to be asked about at `next`. One that is settled by now keeps nothing of it.
pub(super) async fn give_back(
    connection: &mut PgConnection,
    payment: &Leased,
    leased_until: DateTime<Utc>,
    next: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE payments SET next_reconcile_at = $4, reconcile_leased_until = NULL
         WHERE tenant_id = $1 AND id = $2 AND reconcile_leased_until = $3 AND status = 'PENDING'",
    )
    .bind(payment.tenant_id)
    .bind(payment.id)
    .bind(leased_until)
    .bind(next)
    .execute(connection)
    .await?;
    Ok(())
}

/// When the oldest pending payment was made.
pub(super) async fn oldest_pending(connection: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("SELECT min(created_at) FROM payments WHERE status = 'PENDING'")
        .fetch_one(connection)
        .await
}

/// Takes the asking for events where it is due: the time until which all is heard, none where it never was.
pub(super) async fn lease_events(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> sqlx::Result<Option<Option<DateTime<Utc>>>> {
    sqlx::query(
        "INSERT INTO provider_event_sweeps (provider, next_at) VALUES ('STRIPE', $1) ON CONFLICT DO NOTHING",
    )
    .bind(now)
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar(
        "UPDATE provider_event_sweeps SET leased_until = $2
         WHERE provider = 'STRIPE' AND next_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
         RETURNING heard_until",
    )
    .bind(now)
    .bind(leased_until)
    .fetch_optional(connection)
    .await
}

/// Gives it back, to be taken again at `next`.
pub(super) async fn give_events_back(
    connection: &mut PgConnection,
    leased_until: DateTime<Utc>,
    heard_until: Option<DateTime<Utc>>,
    next: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE provider_event_sweeps SET heard_until = $2, next_at = $3, leased_until = NULL
         WHERE provider = 'STRIPE' AND leased_until = $1",
    )
    .bind(leased_until)
    .bind(heard_until)
    .bind(next)
    .execute(connection)
    .await?;
    Ok(())
}
