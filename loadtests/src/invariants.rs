//! The product's promises, read back from the database: what no speed makes up for.

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Failure;

/// A promise, and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct Promise {
    pub what: String,
    pub holds: bool,
    /// What was counted.
    pub found: String,
}

impl Promise {
    pub fn new(what: impl Into<String>, holds: bool, found: impl Into<String>) -> Self {
        Self { what: what.into(), holds, found: found.into() }
    }

    /// One that is broken by each of `violations`.
    pub fn without(what: impl Into<String>, violations: i64) -> Self {
        Self::new(what, violations == 0, format!("{violations} violations"))
    }
}

/// What must hold of every shop's books at any moment, each with the statement that counts where it does not.
const BOOKS: &[(&str, &str)] = &[
    (
        "invoice numbers are 1 to their counter, without gap or repeat",
        "SELECT count(*) FROM (
             SELECT tenant_id, substr(number, 5, 4)::integer AS period, count(*) AS documents,
                    count(DISTINCT number) AS numbers, max(right(number, 6)::integer) AS last
             FROM invoices GROUP BY 1, 2
         ) AS written
         FULL JOIN (SELECT * FROM counters WHERE kind = 'INV' AND last_value > 0) AS counted
                USING (tenant_id, period)
         WHERE (documents = last_value AND numbers = last_value AND last = last_value) IS NOT TRUE",
    ),
    (
        "receipt numbers are 1 to their counter, without gap or repeat",
        "SELECT count(*) FROM (
             SELECT tenant_id, substr(number, 5, 4)::integer AS period, count(*) AS documents,
                    count(DISTINCT number) AS numbers, max(right(number, 6)::integer) AS last
             FROM receipts GROUP BY 1, 2
         ) AS written
         FULL JOIN (SELECT * FROM counters WHERE kind = 'RCP' AND last_value > 0) AS counted
                USING (tenant_id, period)
         WHERE (documents = last_value AND numbers = last_value AND last = last_value) IS NOT TRUE",
    ),
    (
        "each order has one invoice, one payment and an item",
        "SELECT count(*) FROM orders o
         LEFT JOIN invoices i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
         LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
         LEFT JOIN (SELECT tenant_id, order_id, sum(total) AS total FROM order_items GROUP BY 1, 2) AS items
                ON items.tenant_id = o.tenant_id AND items.order_id = o.id
         WHERE (i.total = o.total AND p.amount = o.total AND items.total = o.total) IS NOT TRUE",
    ),
    (
        "order, invoice and payment say the same",
        "SELECT count(*) FROM orders o
         JOIN invoices i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
         JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
         WHERE p.status <> o.status OR i.status <> CASE o.status WHEN 'PENDING' THEN 'OPEN' WHEN 'FAILED' THEN 'VOID'
                                                   WHEN 'EXPIRED' THEN 'VOID' ELSE o.status END",
    ),
    (
        "each paid order has one receipt, and no other order has one",
        "SELECT count(*) FROM orders o
         LEFT JOIN (SELECT tenant_id, order_id, count(*) AS receipts FROM receipts GROUP BY 1, 2) AS r
                ON r.tenant_id = o.tenant_id AND r.order_id = o.id
         WHERE coalesce(receipts, 0) <> CASE WHEN o.status IN ('PAID', 'REFUNDED') THEN 1 ELSE 0 END",
    ),
    (
        "each paid item has one entitlement, and a licence for each unit of a licence product",
        "SELECT count(*) FROM order_items i
         JOIN orders o ON o.tenant_id = i.tenant_id AND o.id = i.order_id
         LEFT JOIN (SELECT tenant_id, order_item_id, count(*) AS licences FROM licences
                    WHERE order_item_id IS NOT NULL GROUP BY 1, 2) AS l
                ON l.tenant_id = i.tenant_id AND l.order_item_id = i.id
         LEFT JOIN entitlements e ON e.tenant_id = i.tenant_id AND e.order_item_id = i.id
         WHERE (e.id IS NOT NULL) <> (o.status IN ('PAID', 'REFUNDED'))
            OR coalesce(licences, 0)
               <> CASE WHEN o.status IN ('PAID', 'REFUNDED') AND i.kind = 'LICENCE' THEN i.quantity ELSE 0 END",
    ),
    (
        "no licence has two active activations",
        "SELECT count(*) FROM (SELECT 1 FROM activations WHERE deactivated_at IS NULL
                               GROUP BY tenant_id, licence_id HAVING count(*) > 1) AS doubled",
    ),
    (
        "the history of each booking is a chain that ends in its status",
        "SELECT count(*) FROM bookings b
         LEFT JOIN LATERAL (
             SELECT count(*) AS events, max(position) AS last,
                    bool_and(from_status IS NOT DISTINCT FROM before) AS linked,
                    (array_agg(to_status ORDER BY position DESC))[1] AS status
             FROM (SELECT position, from_status, to_status, lag(to_status) OVER (ORDER BY position) AS before
                   FROM booking_events e WHERE e.tenant_id = b.tenant_id AND e.booking_id = b.id) AS history
         ) AS h ON true
         WHERE (h.events >= 1 AND h.events = h.last AND h.linked AND h.status = b.status) IS NOT TRUE",
    ),
];

/// How long the audit log's last entries may take to be sealed once the load has ended: it is done every second.
const SEALED_WITHIN: Duration = Duration::from_secs(10);

/// Whether the audit log keeps up: an entry that is in no chain can be taken away unnoticed.
pub async fn sealed(connection: &mut PgConnection) -> Result<Promise, Failure> {
    let begun = Instant::now();
    loop {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM audit_unsealed").fetch_one(&mut *connection).await?;
        if waiting == 0 || begun.elapsed() > SEALED_WITHIN {
            let what =
                format!("the audit log is sealed within {} s of the last entry", SEALED_WITHIN.as_secs());
            return Ok(Promise::new(what, waiting == 0, format!("{waiting} entries wait")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads the books of all shops.
pub async fn books(connection: &mut PgConnection) -> Result<Vec<Promise>, Failure> {
    let mut promises = Vec::with_capacity(BOOKS.len());
    for (what, statement) in BOOKS {
        let violations: i64 = sqlx::query_scalar(*statement).fetch_one(&mut *connection).await?;
        promises.push(Promise::without(*what, violations));
    }
    Ok(promises)
}

/// Whether all that was acknowledged is there: `present` counts, for a tenant ($1), which of the texts ($2) are.
pub async fn acknowledged(
    pool: &PgPool,
    what: &str,
    present: &'static str,
    tenant_id: Uuid,
    texts: &[String],
) -> Result<Promise, Failure> {
    /// A statement's parameter stays of a moderate size.
    const AT_ONCE: usize = 20_000;
    let mut found = 0_i64;
    for part in texts.chunks(AT_ONCE) {
        found += sqlx::query_scalar::<_, i64>(present).bind(tenant_id).bind(part).fetch_one(pool).await?;
    }
    let all = i64::try_from(texts.len())?;
    Ok(Promise::new(what, found == all, format!("{found} of {all}")))
}
