//! What the load was told, and whether the database knows of all of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use loadtests::invariants::{Promise, acknowledged, books};

use crate::world::{TENANT, World};

#[derive(Debug, Default, Clone)]
pub struct Told {
    /// Checkouts that were begun, each under a key of its own …
    pub begun: u64,
    /// … and the orders that were confirmed.
    pub orders: Vec<String>,
    /// Ids of orders whose payment was accepted.
    pub paid: Vec<String>,
    /// Ids of orders that were paid at the provider, who will tell.
    pub paid_at_provider: Vec<String>,
    pub activations: Vec<String>,
    pub deactivations: Vec<String>,
    /// `email reference`.
    pub bookings: Vec<String>,
    pub bookings_begun: u64,
    pub sessions: Vec<String>,
    /// How often what was answered.
    pub answers: BTreeMap<String, u64>,
    /// Answers that no fault excuses.
    pub unexpected: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Memory(Mutex<Told>);

impl Memory {
    pub fn note(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock().unwrap());
    }

    pub fn told(&self) -> Told {
        self.0.lock().unwrap().clone()
    }
}

/// What must hold of the outbox beyond the books: what was done is told once.
const OUTBOX: &[(&str, &str)] = &[
    (
        "each paid order has one mail, and no other order has one",
        "SELECT count(*) FROM orders o
         LEFT JOIN (SELECT tenant_id, payload ->> 'orderId' AS order_id, count(*) AS mails
                    FROM outbox_messages WHERE topic = 'mail.order-paid' GROUP BY 1, 2) AS m
                ON m.tenant_id = o.tenant_id AND m.order_id = o.id::text
         WHERE coalesce(mails, 0) <> CASE WHEN o.status IN ('PAID', 'REFUNDED') THEN 1 ELSE 0 END",
    ),
    (
        "each booking's event has one mail",
        "SELECT count(*) FROM booking_events e
         LEFT JOIN (SELECT tenant_id, payload ->> 'eventId' AS event_id, count(*) AS mails
                    FROM outbox_messages WHERE topic = 'mail.booking' GROUP BY 1, 2) AS m
                ON m.tenant_id = e.tenant_id AND m.event_id = e.id::text
         WHERE mails IS DISTINCT FROM 1",
    ),
    (
        "what was sent says when, and nothing was given up",
        "SELECT count(*) FROM outbox_messages WHERE status = 'DEAD' OR (status = 'SENT') <> (sent_at IS NOT NULL)",
    ),
    ("no event is stored as failed", "SELECT count(*) FROM webhook_events WHERE status = 'FAILED'"),
];

/// A kind of acknowledged answer, where it is remembered, and the statement that counts which of them ($2) a tenant ($1)
/// has.
type Kind = (&'static str, fn(&Told) -> &Vec<String>, &'static str);

const PRESENT: &[Kind] = &[
    (
        "each confirmed order is there",
        |told| &told.orders,
        "SELECT count(*) FROM unnest($2::text[]) AS told (number)
         JOIN orders o ON o.tenant_id = $1 AND o.number = told.number",
    ),
    (
        "each accepted payment's order is paid, with its receipt and its licence",
        |told| &told.paid,
        "SELECT count(*) FROM unnest($2::text[]) AS told (id)
         JOIN orders o ON o.tenant_id = $1 AND o.id = told.id::uuid AND o.status = 'PAID'
         JOIN receipts r ON r.tenant_id = $1 AND r.order_id = o.id
         JOIN licences l ON l.tenant_id = $1 AND l.order_id = o.id",
    ),
    (
        "each confirmed activation is there",
        |told| &told.activations,
        "SELECT count(*) FROM unnest($2::text[]) AS told (id)
         JOIN activations a ON a.tenant_id = $1 AND a.id = told.id::uuid",
    ),
    (
        "each confirmed deactivation holds",
        |told| &told.deactivations,
        "SELECT count(*) FROM unnest($2::text[]) AS told (id)
         JOIN activations a ON a.tenant_id = $1 AND a.id = told.id::uuid AND a.deactivated_at IS NOT NULL",
    ),
    (
        "each confirmed booking is there, under its reference",
        |told| &told.bookings,
        "SELECT count(*) FROM unnest($2::text[]) AS told (line)
         JOIN bookings b ON b.tenant_id = $1 AND b.email || ' ' || b.ref = told.line",
    ),
];

/// Reads all promises back. `told` was taken before, so that what is confirmed meanwhile is not asked about.
pub async fn verify(world: &World, told: &Told) {
    let mut connection = world.pool.acquire().await.unwrap();
    let mut promises = books(&mut connection).await.unwrap();
    for (what, statement) in OUTBOX {
        let violations = sqlx::query_scalar(*statement).fetch_one(&mut *connection).await.unwrap();
        promises.push(Promise::without(*what, violations));
    }
    drop(connection);
    for (what, texts, statement) in PRESENT {
        promises.push(acknowledged(&world.pool, what, statement, TENANT, texts(told)).await.unwrap());
    }
    let broken: Vec<&Promise> = promises.iter().filter(|promise| !promise.holds).collect();
    assert!(broken.is_empty(), "{broken:#?}\nafter {:#?}", told.answers);
    assert!(told.unexpected.is_empty(), "{:#?}", told.unexpected);
}
