//! Rows that a run begins with, written in bulk beside the service: what a shop's past would have left. They hold all
//! the promises that [`crate::invariants`] reads back.

mod population;

use primetech_actors::clock::{Clock, SystemClock};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Failure;
use crate::installation::{Customer, Shop};

pub use population::{Population, seeded_host};

/// Shares no divisor with 10^12, so that no two numbers have one key, and neighbours lie far apart.
const KEY_FACTOR: u64 = 387_420_489;
const KEYS: u64 = 1_000_000_000_000;

/// The key of a shop's `number`-th licence. The statements below, and those of `floor/`, compute the same.
pub fn licence_key(number: u64) -> String {
    let digits = format!("{:012}", number * KEY_FACTOR % KEYS);
    format!("LIC-{}-{}-{}", &digits[..4], &digits[4..8], &digits[8..])
}

/// The reference of a shop's `number`-th booking.
pub fn booking_ref(number: u64) -> String {
    format!("BKG-{number:08}")
}

/// The id of the Checkout Session of a shop's `number`-th order.
pub fn session_id(shop: &Shop, number: u64) -> String {
    format!("cs_{}_{number}", shop.tag)
}

/// Licences 0 to `count`, as an operator issues them.
pub async fn licences(pool: &PgPool, shop: &Shop, count: u64) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO licences (tenant_id, id, key, product_id, created_at)
         SELECT $1, gen_random_uuid(),
                regexp_replace(lpad(mod(n * 387420489, 1000000000000)::text, 12, '0'), '(....)(....)(....)',
                               'LIC-\\1-\\2-\\3'),
                $2, $3
         FROM generate_series(0, $4::bigint - 1) AS n",
    )
    .bind(shop.tenant_id)
    .bind(shop.licence_product)
    .bind(SystemClock.now())
    .bind(i64::try_from(count)?)
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes a device the active one of every second licence: of the `number`-th, `device-<number>`.
pub async fn activations(pool: &PgPool, shop: &Shop, count: u64) -> Result<(), Failure> {
    let numbers: Vec<u64> = (0..count).filter(|number| Population::is_activated(*number, 1)).collect();
    let keys: Vec<String> = numbers.iter().map(|number| licence_key(*number)).collect();
    let devices: Vec<String> = numbers.iter().map(|number| format!("device-{number}")).collect();
    sqlx::query(
        "INSERT INTO activations (tenant_id, id, licence_id, fingerprint, activated_at)
         SELECT l.tenant_id, gen_random_uuid(), l.id, active.device, $4
         FROM unnest($2::text[], $3::text[]) AS active (key, device)
         JOIN licences l ON l.tenant_id = $1 AND l.key = active.key",
    )
    .bind(shop.tenant_id)
    .bind(keys)
    .bind(devices)
    .bind(SystemClock.now())
    .execute(pool)
    .await?;
    Ok(())
}

/// Orders 0 to `count` of a new shop's customer, of one licence each, that wait for their payment. Gives their ids.
pub async fn pending_orders(
    pool: &PgPool,
    shop: &Shop,
    customer: &Customer,
    count: u64,
) -> Result<Vec<Uuid>, Failure> {
    let now = SystemClock.now();
    let orders: Vec<Uuid> = (0..count).map(|_| primetech_actors::random::row_id(now)).collect();
    let mut transaction = pool.begin().await?;
    sqlx::query(
        "CREATE TEMPORARY TABLE stock ON COMMIT DROP AS
         SELECT n - 1 AS n, id AS order_id, gen_random_uuid() AS payment_id
         FROM unnest($1::uuid[]) WITH ORDINALITY AS new (id, n)",
    )
    .bind(&orders)
    .execute(&mut *transaction)
    .await?;
    // Numbered on a day long past: the service numbers today's orders itself.
    sqlx::query(
        "INSERT INTO orders (tenant_id, id, number, user_id, currency, total, created_at)
         SELECT $1, order_id,
                'ORD-' || (20010101 + n / 1000000) || '-'
                || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', (n % 1000000 / 46656)::integer + 1, 1)
                || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', (n % 1000000 / 1296 % 36)::integer + 1, 1)
                || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', (n % 1000000 / 36 % 36)::integer + 1, 1)
                || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', (n % 36)::integer + 1, 1),
                $2, 'USD', 4900, $3
         FROM stock",
    )
    .bind(shop.tenant_id)
    .bind(customer.user_id)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO order_items
             (tenant_id, id, order_id, position, product_id, sku, name, kind, quantity, unit_amount, total)
         SELECT $1, gen_random_uuid(), order_id, 1, $2, 'editor', 'Editor', 'LICENCE', 1, 4900, 4900 FROM stock",
    )
    .bind(shop.tenant_id)
    .bind(shop.licence_product)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "WITH counted AS (
             INSERT INTO counters (tenant_id, kind, period, last_value)
             VALUES ($1, 'INV', extract(year FROM $2::timestamptz AT TIME ZONE 'UTC'), $3)
             ON CONFLICT (tenant_id, kind, period)
             DO UPDATE SET last_value = counters.last_value + excluded.last_value
             RETURNING period, last_value
         )
         INSERT INTO invoices
             (tenant_id, id, number, order_id, currency, subtotal, total, bill_to_email, issued_at)
         SELECT $1, gen_random_uuid(),
                'INV-' || period || '-' || lpad((last_value - $3 + n + 1)::text, 6, '0'), order_id, 'USD', 4900, 4900,
                $4, $2
         FROM stock, counted",
    )
    .bind(shop.tenant_id)
    .bind(now)
    .bind(i32::try_from(count)?)
    .bind(&customer.email)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO payments (tenant_id, id, order_id, provider, amount, currency, provider_session_id,
                               checkout_url, checkout_expires_at, created_at, updated_at)
         SELECT $1, payment_id, order_id, 'STRIPE', 4900, 'USD', 'cs_' || $2 || '_' || n,
                'https://checkout.example/' || n, $3::timestamptz + interval '23 hours', $3, $3
         FROM stock",
    )
    .bind(shop.tenant_id)
    .bind(&shop.tag)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO payment_refs (provider, ref, tenant_id, payment_id, order_id)
         SELECT 'STRIPE', 'cs_' || $2 || '_' || n, $1, payment_id, order_id FROM stock",
    )
    .bind(shop.tenant_id)
    .bind(&shop.tag)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(orders)
}

/// New bookings 0 to `count`.
pub async fn bookings(pool: &PgPool, shop: &Shop, count: u64) -> Result<(), Failure> {
    let now = SystemClock.now();
    let mut transaction = pool.begin().await?;
    sqlx::query(
        "INSERT INTO bookings (tenant_id, id, ref, product_id, service_sku, service_name, name, email, search_text,
                               created_at, updated_at)
         SELECT $1, gen_random_uuid(), 'BKG-' || lpad(n::text, 8, '0'), $2, 'call', 'Call', 'Jane Doe',
                'jane@example.com', 'bkg-' || lpad(n::text, 8, '0') || ' jane doe jane@example.com', $3, $3
         FROM generate_series(0, $4::bigint - 1) AS n",
    )
    .bind(shop.tenant_id)
    .bind(shop.service_product)
    .bind(now)
    .bind(i64::try_from(count)?)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO booking_events (tenant_id, id, booking_id, to_status, at, by_email, position)
         SELECT tenant_id, gen_random_uuid(), id, 'NEW', created_at, email, 1 FROM bookings WHERE tenant_id = $1",
    )
    .bind(shop.tenant_id)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_of_the_contract_and_do_not_repeat() {
        let keys: std::collections::HashSet<String> = (0..10_000).map(licence_key).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().all(|key| primetech_actors::identifiers::LicenceKey::parse(key).is_ok()));
    }
}
