//! The rows of each table, as lines of COPY's text form: columns apart by tabs, `\N` for none. Nothing that is
//! written here holds a tab, a line's end or a backslash.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};

use super::ids::{Sort, id};
use super::{Amount, Seeder};
use crate::stock::{Population, licence_key, seeded_host};

/// Of every seeded user.
pub const PASSWORD: &str = "correct horse battery staple";

/// Sent to the database at once.
pub const BUFFER: usize = 256 * 1024;

pub struct Table {
    /// Name and columns, as COPY takes them.
    pub columns: &'static str,
    pub count: fn(&Amount) -> u64,
    pub row: fn(&Seeder, u64, &mut String),
}

/// Writes one line. Writing to memory does not fail.
macro_rules! line {
    ($out:expr, $($column:expr),+ $(,)?) => {{
        let mut first = true;
        $(
            if !std::mem::take(&mut first) {
                $out.push('\t');
            }
            let _written = write!($out, "{}", $column);
        )+
        $out.push('\n');
    }};
}

impl Seeder {
    fn tenant(&self, number: u64) -> u64 {
        number % self.amount.tenants
    }

    /// The user behind the `number`-th licence, order, booking.
    fn user(&self, number: u64) -> u64 {
        let within = number / self.amount.tenants % self.amount.users;
        within * self.amount.tenants + self.tenant(number)
    }

    /// Rows of larger numbers are younger.
    fn time(&self, number: u64, of: u64) -> Stamp {
        let age = i64::try_from(of - number).unwrap_or(0);
        Stamp(self.now - TimeDelta::days(1) - TimeDelta::milliseconds(age * 10))
    }

    fn address(&self, user: u64) -> String {
        format!("user-{}@{}", user / self.amount.tenants, seeded_host(self.tenant(user)))
    }

    /// A number of the tenant's series, from 1.
    fn sequence(&self, number: u64) -> u64 {
        number / self.amount.tenants + 1
    }
}

/// A time, as PostgreSQL reads it.
struct Stamp(DateTime<Utc>);

impl std::fmt::Display for Stamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Microseconds since 1970 are quick to write, but COPY takes no numbers for times.
        write!(formatter, "{}", self.0.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
    }
}

fn order_number(sequence: u64) -> String {
    let mut characters = [b'0'; 4];
    let mut rest = sequence;
    for character in characters.iter_mut().rev() {
        *character = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest % 36) as usize];
        rest /= 36;
    }
    format!("ORD-20030303-{}", String::from_utf8_lossy(&characters))
}

/// 32 bytes that differ from row to row.
fn hash(sort: Sort, number: u64) -> String {
    format!("\\\\x{:064x}", id(sort, number).as_u128())
}

/// In the order of their foreign keys.
pub const TABLES: &[Table] = &[
    Table {
        columns: "tenants (id, slug, name, created_at)",
        count: |amount| amount.tenants,
        row: |seeder, n, out| {
            let slug = format!("seed-{n:06}");
            line!(out, id(Sort::Tenant, n), slug, slug, seeder.time(n, seeder.amount.tenants));
        },
    },
    Table {
        columns: "tenant_domains (tenant_id, id, host, created_at)",
        count: |amount| amount.tenants,
        row: |seeder, n, out| {
            line!(out, id(Sort::Tenant, n), id(Sort::Domain, n), seeded_host(n), Stamp(seeder.now));
        },
    },
    Table {
        columns: "products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)",
        count: |amount| amount.tenants,
        row: |seeder, n, out| {
            let (tenant, now) = (id(Sort::Tenant, n), Stamp(seeder.now));
            for (sort, sku, kind) in [
                (Sort::LicenceProduct, "editor", "LICENCE"),
                (Sort::DownloadProduct, "icons", "DOWNLOAD"),
                (Sort::ServiceProduct, "call", "SERVICE"),
            ] {
                line!(out, tenant, id(sort, n), sku, kind, sku, 4900, "USD", now, now);
            }
        },
    },
    Table {
        columns: "releases (tenant_id, id, product_id, version, channel, platform, file_name, size_bytes, sha256, bucket, object_key, created_at, published_at)",
        count: |amount| amount.tenants,
        row: |seeder, n, out| {
            let (tenant, release, now) = (id(Sort::Tenant, n), id(Sort::Release, n), Stamp(seeder.now));
            let product = id(Sort::LicenceProduct, n);
            line!(
                out,
                tenant,
                release,
                product,
                "1.0.0",
                "stable",
                "any",
                "editor.txt",
                1,
                hash(Sort::Release, n),
                "seed",
                release,
                now,
                now,
            );
        },
    },
    Table {
        columns: "users (tenant_id, id, email, role, password_hash, email_verified_at, created_at)",
        count: Amount::all_users,
        row: |seeder, n, out| {
            let role = if n < seeder.amount.tenants { "ADMIN" } else { "CUSTOMER" };
            let (tenant, now) = (id(Sort::Tenant, seeder.tenant(n)), Stamp(seeder.now));
            line!(out, tenant, id(Sort::User, n), seeder.address(n), role, seeder.password_hash, now, now);
        },
    },
    Table {
        columns: "sessions (tenant_id, id, token_hash, user_id, created_at, expires_at)",
        count: Amount::all_users,
        row: |seeder, n, out| {
            let (tenant, now) = (id(Sort::Tenant, seeder.tenant(n)), Stamp(seeder.now));
            let expiry = Stamp(seeder.now + TimeDelta::days(14));
            line!(out, tenant, id(Sort::Session, n), hash(Sort::Session, n), id(Sort::User, n), now, expiry);
        },
    },
    Table {
        columns: "email_verification_tokens (tenant_id, id, user_id, token_hash, created_at, expires_at, ended_at)",
        count: Amount::all_users,
        row: |seeder, n, out| {
            let (tenant, now) = (id(Sort::Tenant, seeder.tenant(n)), Stamp(seeder.now));
            line!(out, tenant, id(Sort::Token, n), id(Sort::User, n), hash(Sort::Token, n), now, now, now);
        },
    },
    Table {
        columns: "orders (tenant_id, id, number, user_id, status, currency, total, created_at, paid_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let (tenant, user) = (id(Sort::Tenant, seeder.tenant(n)), id(Sort::User, seeder.user(n)));
            let (number, time) = (order_number(seeder.sequence(n)), seeder.time(n, seeder.amount.orders));
            line!(out, tenant, id(Sort::Order, n), number, user, "PAID", "USD", 4900, time, time);
        },
    },
    Table {
        columns: "order_items (tenant_id, id, order_id, position, product_id, sku, name, kind, quantity, unit_amount, total)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let tenant = seeder.tenant(n);
            line!(
                out,
                id(Sort::Tenant, tenant),
                id(Sort::Item, n),
                id(Sort::Order, n),
                1,
                id(Sort::LicenceProduct, tenant),
                "editor",
                "editor",
                "LICENCE",
                1,
                4900,
                4900,
            );
        },
    },
    Table {
        columns: "counters (tenant_id, kind, period, last_value)",
        count: |amount| amount.tenants,
        row: |seeder, n, out| {
            let Amount { tenants, orders, .. } = seeder.amount;
            let last = (orders + tenants - 1 - n) / tenants;
            for kind in ["INV", "RCP"] {
                line!(out, id(Sort::Tenant, n), kind, seeder.year(), last);
            }
        },
    },
    Table {
        columns: "invoices (tenant_id, id, number, order_id, status, currency, subtotal, total, bill_to_email, issued_at, paid_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let time = seeder.time(n, seeder.amount.orders);
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Invoice, n),
                format_args!("INV-{}-{:06}", seeder.year(), seeder.sequence(n)),
                id(Sort::Order, n),
                "PAID",
                "USD",
                4900,
                4900,
                seeder.address(seeder.user(n)),
                time,
                time,
            );
        },
    },
    Table {
        columns: "payments (tenant_id, id, order_id, provider, status, amount, currency, provider_session_id, provider_payment_intent_id, checkout_url, checkout_expires_at, created_at, updated_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let time = seeder.time(n, seeder.amount.orders);
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Payment, n),
                id(Sort::Order, n),
                "STRIPE",
                "PAID",
                4900,
                "USD",
                format_args!("cs_seed_{n}"),
                format_args!("pi_seed_{n}"),
                "https://checkout.example/",
                time,
                time,
                time,
            );
        },
    },
    Table {
        columns: "payment_refs (provider, ref, tenant_id, payment_id, order_id)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let tenant = id(Sort::Tenant, seeder.tenant(n));
            for kind in ["cs", "pi"] {
                let reference = format_args!("{kind}_seed_{n}");
                line!(out, "STRIPE", reference, tenant, id(Sort::Payment, n), id(Sort::Order, n));
            }
        },
    },
    Table {
        columns: "receipts (tenant_id, id, number, order_id, currency, total, paid_at, provider, provider_payment_id, created_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let time = seeder.time(n, seeder.amount.orders);
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Receipt, n),
                format_args!("RCP-{}-{:06}", seeder.year(), seeder.sequence(n)),
                id(Sort::Order, n),
                "USD",
                4900,
                time,
                "STRIPE",
                format_args!("pi_seed_{n}"),
                time,
            );
        },
    },
    Table {
        columns: "entitlements (tenant_id, id, user_id, order_id, order_item_id, product_id, created_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let tenant = seeder.tenant(n);
            line!(
                out,
                id(Sort::Tenant, tenant),
                id(Sort::Entitlement, n),
                id(Sort::User, seeder.user(n)),
                id(Sort::Order, n),
                id(Sort::Item, n),
                id(Sort::LicenceProduct, tenant),
                seeder.time(n, seeder.amount.orders),
            );
        },
    },
    Table {
        columns: "licences (tenant_id, id, key, product_id, user_id, order_id, order_item_id, unit_number, created_at)",
        count: |amount| amount.licences,
        row: |seeder, n, out| {
            let tenant = seeder.tenant(n);
            let (licence, time) = (id(Sort::Licence, n), seeder.time(n, seeder.amount.licences));
            let (product, user) = (id(Sort::LicenceProduct, tenant), id(Sort::User, seeder.user(n)));
            let tenant = id(Sort::Tenant, tenant);
            if n < seeder.amount.orders {
                let (order, item) = (id(Sort::Order, n), id(Sort::Item, n));
                line!(out, tenant, licence, licence_key(n), product, user, order, item, 1, time);
            } else {
                line!(out, tenant, licence, licence_key(n), product, user, "\\N", "\\N", "\\N", time);
            }
        },
    },
    Table {
        columns: "activations (tenant_id, id, licence_id, fingerprint, activated_at)",
        count: |amount| amount.licences,
        row: |seeder, n, out| {
            if Population::is_activated(n, seeder.amount.tenants) {
                let (tenant, time) =
                    (id(Sort::Tenant, seeder.tenant(n)), seeder.time(n, seeder.amount.licences));
                line!(
                    out,
                    tenant,
                    id(Sort::Activation, n),
                    id(Sort::Licence, n),
                    format_args!("device-{n}"),
                    time
                );
            }
        },
    },
    Table {
        columns: "webhook_events (id, provider, provider_event_id, type, payload, status, attempts, tenant_id, order_id, received_at, processed_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let time = seeder.time(n, seeder.amount.orders);
            line!(
                out,
                id(Sort::Event, n),
                "STRIPE",
                format_args!("evt_seed_{n}"),
                "checkout.session.completed",
                format_args!(r#"{{"id":"evt_seed_{n}"}}"#),
                "PROCESSED",
                1,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Order, n),
                time,
                time,
            );
        },
    },
    Table {
        columns: "outbox_messages (tenant_id, id, topic, payload, status, attempts, next_attempt_at, created_at, sent_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let time = seeder.time(n, seeder.amount.orders);
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Message, n),
                "mail.order-paid",
                format_args!(r#"{{"orderId":"{}"}}"#, id(Sort::Order, n)),
                "SENT",
                1,
                time,
                time,
                time,
            );
        },
    },
    Table {
        columns: "idempotency_keys (tenant_id, id, owner, key, request_hash, order_id, locked_until, response_status, response_body, created_at, expires_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            let (user, time) = (id(Sort::User, seeder.user(n)), seeder.time(n, seeder.amount.orders));
            let expiry = Stamp(seeder.now + TimeDelta::hours(12));
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Key, n),
                format_args!("user:{user}"),
                format_args!("key-{n}"),
                hash(Sort::Key, n),
                id(Sort::Order, n),
                time,
                201,
                "{}",
                time,
                expiry,
            );
        },
    },
    Table {
        columns: "documents (tenant_id, id, kind, number, revision, bucket, object_key, size_bytes, sha256, created_at)",
        count: |amount| amount.orders,
        row: |seeder, n, out| {
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::Document, n),
                "INVOICE",
                format_args!("INV-{}-{:06}", seeder.year(), seeder.sequence(n)),
                "seed",
                "seed",
                id(Sort::Document, n),
                1,
                hash(Sort::Document, n),
                seeder.time(n, seeder.amount.orders),
            );
        },
    },
    Table {
        columns: "bookings (tenant_id, id, ref, product_id, service_sku, service_name, name, email, search_text, created_at, updated_at)",
        count: Amount::bookings,
        row: |seeder, n, out| {
            let (tenant, time) = (seeder.tenant(n), seeder.time(n, seeder.amount.bookings()));
            let (name, email) = (format!("Guest {n}"), format!("guest-{n}@example.com"));
            line!(
                out,
                id(Sort::Tenant, tenant),
                id(Sort::Booking, n),
                format_args!("BKG-{n:08}"),
                id(Sort::ServiceProduct, tenant),
                "call",
                "call",
                name,
                email,
                format_args!("bkg-{n:08} guest {n} {email}"),
                time,
                time,
            );
        },
    },
    Table {
        columns: "booking_events (tenant_id, id, booking_id, to_status, at, by_email, position)",
        count: Amount::bookings,
        row: |seeder, n, out| {
            line!(
                out,
                id(Sort::Tenant, seeder.tenant(n)),
                id(Sort::BookingEvent, n),
                id(Sort::Booking, n),
                "NEW",
                seeder.time(n, seeder.amount.bookings()),
                format_args!("guest-{n}@example.com"),
                1,
            );
        },
    },
];
