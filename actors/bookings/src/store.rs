//! The SQL of bookings.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::identifiers::BookingRef;
use primetech_kernel::page::{Page, PageRequest, Position};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::messages::*;
use crate::status::BookingStatus;

/// A product that can be booked.
pub(crate) struct ServiceRow {
    pub id: Uuid,
    pub name: String,
}

/// A booking to be written.
pub(crate) struct NewBooking {
    pub tenant_id: Uuid,
    pub id: Uuid,
    /// Of the event that it was made.
    pub event_id: Uuid,
    pub reference: BookingRef,
    pub product_id: Uuid,
    pub service_name: String,
    pub wanted: WantedBooking,
}

/// An event to be written.
pub(crate) struct NewEvent {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub booking_id: Uuid,
    pub from: Option<BookingStatus>,
    pub to: BookingStatus,
    pub by_user_id: Option<Uuid>,
    pub by_email: String,
    pub note: Option<String>,
    pub position: i32,
}

/// The statement that reads bookings.
macro_rules! select_bookings {
    ($which:literal) => {
        concat!(
            "SELECT b.id, b.ref, b.status, b.service_sku, b.name, b.email, b.phone, b.scheduled_for, b.notes,
                    b.created_at, b.updated_at
             FROM bookings b ",
            $which
        )
    };
}

#[derive(sqlx::FromRow)]
struct BookingRow {
    id: Uuid,
    #[sqlx(rename = "ref")]
    reference: String,
    status: String,
    service_sku: String,
    name: String,
    email: String,
    phone: Option<String>,
    scheduled_for: Option<DateTime<Utc>>,
    notes: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl BookingRow {
    fn view(self) -> sqlx::Result<BookingView> {
        Ok(BookingView {
            bkg_ref: BookingRef::parse(&self.reference)
                .map_err(|_| sqlx::Error::Decode("a booking reference's form".into()))?,
            status: status(&self.status)?,
            service_sku: self.service_sku,
            name: self.name,
            email: self.email,
            phone: self.phone,
            scheduled_for: self.scheduled_for,
            notes: self.notes,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn status(text: &str) -> sqlx::Result<BookingStatus> {
    BookingStatus::parse(text).map_err(|_| sqlx::Error::Decode("an unknown booking status".into()))
}

/// The active services among these products.
pub(crate) async fn find_services<'a>(
    connection: &mut PgConnection,
    wanted: impl Iterator<Item = (Uuid, &'a str)>,
) -> sqlx::Result<HashMap<(Uuid, String), ServiceRow>> {
    let wanted: HashSet<(Uuid, &str)> = wanted.collect();
    let (tenants, skus): (Vec<Uuid>, Vec<&str>) = wanted.into_iter().unzip();
    let rows: Vec<(Uuid, Uuid, String, String)> = sqlx::query_as(
        "SELECT p.tenant_id, p.id, p.sku, p.name
         FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, sku)
         JOIN products p ON p.tenant_id = wanted.tenant_id AND p.sku = wanted.sku
         WHERE p.active AND p.kind = 'SERVICE'",
    )
    .bind(tenants)
    .bind(skus)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(tenant_id, id, sku, name)| ((tenant_id, sku), ServiceRow { id, name }))
        .collect())
}

/// What a search looks at.
fn search_text(new: &NewBooking) -> String {
    format!("{}\n{}\n{}", new.reference, new.wanted.name, new.wanted.email).to_lowercase()
}

/// Writes those bookings that are not there yet and whose reference is free; tells which are there.
pub(crate) async fn insert_bookings(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    new: impl Iterator<Item = &NewBooking> + Clone,
) -> sqlx::Result<HashSet<Uuid>> {
    macro_rules! column {
        ($type:ty, $read:expr) => {
            new.clone().map($read).collect::<Vec<$type>>()
        };
    }
    let ids = column!(Uuid, |new| new.id);
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    sqlx::query(
        "INSERT INTO bookings (tenant_id, id, ref, product_id, service_sku, service_name, name, email, phone,
                               scheduled_for, notes, search_text, created_at, updated_at)
         SELECT new.*, $13, $13
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::timestamptz[], $11::text[], $12::text[]) AS new
         ON CONFLICT DO NOTHING",
    )
    .bind(column!(Uuid, |new| new.tenant_id))
    .bind(&ids)
    .bind(column!(&str, |new| new.reference.as_str()))
    .bind(column!(Uuid, |new| new.product_id))
    .bind(column!(&str, |new| new.wanted.service_sku.as_str()))
    .bind(column!(&str, |new| new.service_name.as_str()))
    .bind(column!(&str, |new| new.wanted.name.as_str()))
    .bind(column!(&str, |new| new.wanted.email.as_str()))
    .bind(column!(Option<&str>, |new| new.wanted.phone.as_deref()))
    .bind(column!(Option<DateTime<Utc>>, |new| new.wanted.scheduled_for))
    .bind(column!(Option<&str>, |new| new.wanted.notes.as_deref()))
    .bind(column!(String, search_text))
    .bind(now)
    .execute(&mut *connection)
    .await?;
    let tenants = column!(Uuid, |new| new.tenant_id);
    let there: Vec<Uuid> = sqlx::query_scalar(
        "SELECT b.id FROM unnest($1::uuid[], $2::uuid[]) AS new (tenant_id, id)
         JOIN bookings b ON b.tenant_id = new.tenant_id AND b.id = new.id",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(there.into_iter().collect())
}

pub(crate) async fn insert_events(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    events: &[NewEvent],
) -> sqlx::Result<()> {
    macro_rules! column {
        ($type:ty, $read:expr) => {
            events.iter().map($read).collect::<Vec<$type>>()
        };
    }
    sqlx::query(
        "INSERT INTO booking_events (tenant_id, id, booking_id, from_status, to_status, by_user_id, by_email, note,
                                     position, at)
         SELECT new.*, $10
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[],
                     $9::integer[]) AS new",
    )
    .bind(column!(Uuid, |event| event.tenant_id))
    .bind(column!(Uuid, |event| event.id))
    .bind(column!(Uuid, |event| event.booking_id))
    .bind(column!(Option<&str>, |event| event.from.map(BookingStatus::as_str)))
    .bind(column!(&str, |event| event.to.as_str()))
    .bind(column!(Option<Uuid>, |event| event.by_user_id))
    .bind(column!(&str, |event| event.by_email.as_str()))
    .bind(column!(Option<&str>, |event| event.note.as_deref()))
    .bind(column!(i32, |event| event.position))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A booking whose row is locked.
pub(crate) struct Locked {
    pub id: Uuid,
    pub product_id: Uuid,
    pub status: BookingStatus,
    /// How many events it has.
    pub events: i32,
}

pub(crate) async fn lock(tx: &mut TenantTx, reference: &BookingRef) -> sqlx::Result<Option<Locked>> {
    let row: Option<(Uuid, Uuid, String)> = sqlx::query_as(
        "SELECT id, product_id, status FROM bookings WHERE tenant_id = $1 AND ref = $2 FOR UPDATE",
    )
    .bind(tx.tenant_id())
    .bind(reference.as_str())
    .fetch_optional(tx.connection())
    .await?;
    let Some((id, product_id, text)) = row else { return Ok(None) };
    // In a statement of its own, so that it sees what the previous holder of the lock has written.
    let events: i32 = sqlx::query_scalar(
        "SELECT coalesce(max(position), 0) FROM booking_events WHERE tenant_id = $1 AND booking_id = $2",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_one(tx.connection())
    .await?;
    Ok(Some(Locked { id, product_id, status: status(&text)?, events }))
}

pub(crate) async fn set_status(
    tx: &mut TenantTx,
    id: Uuid,
    status: BookingStatus,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE bookings SET status = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(id)
        .bind(status.as_str())
        .bind(now)
        .execute(tx.connection())
        .await?;
    Ok(())
}

pub(crate) async fn track(
    tx: &mut TenantTx,
    reference: &BookingRef,
    email: &str,
) -> sqlx::Result<Option<BookingView>> {
    let row: Option<BookingRow> =
        sqlx::query_as(select_bookings!("WHERE b.tenant_id = $1 AND b.ref = $2 AND b.email = $3"))
            .bind(tx.tenant_id())
            .bind(reference.as_str())
            .bind(email)
            .fetch_optional(tx.connection())
            .await?;
    row.map(BookingRow::view).transpose()
}

pub(crate) async fn details(
    tx: &mut TenantTx,
    reference: &BookingRef,
) -> sqlx::Result<Option<BookingDetails>> {
    let row: Option<BookingRow> = sqlx::query_as(select_bookings!("WHERE b.tenant_id = $1 AND b.ref = $2"))
        .bind(tx.tenant_id())
        .bind(reference.as_str())
        .fetch_optional(tx.connection())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let history = histories(tx, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok(Some(BookingDetails { booking: row.view()?, history }))
}

pub(crate) async fn list(
    tx: &mut TenantTx,
    filter: &BookingFilter,
    page: &PageRequest,
) -> sqlx::Result<Page<BookingDetails>> {
    let rows: Vec<BookingRow> = sqlx::query_as(select_bookings!(
        "WHERE b.tenant_id = $1
           AND ($2::text IS NULL OR b.status = $2)
           AND ($3::timestamptz IS NULL OR b.created_at >= $3)
           AND ($4::timestamptz IS NULL OR b.created_at <= $4)
           AND ($5::text IS NULL OR b.search_text LIKE $5)
           AND ($6::timestamptz IS NULL OR (b.created_at, b.id) < ($6, $7::uuid))
         ORDER BY b.created_at DESC, b.id DESC
         LIMIT $8"
    ))
    .bind(tx.tenant_id())
    .bind(filter.status.map(BookingStatus::as_str))
    .bind(filter.from)
    .bind(filter.to)
    .bind(filter.text.as_deref().map(contains))
    .bind(page.after.map(|position| position.created_at))
    .bind(page.after.map(|position| position.id))
    .bind(page.rows_to_read())
    .fetch_all(tx.connection())
    .await?;
    let page = page.cut(rows, |row| Position { created_at: row.created_at, id: row.id });
    let ids: Vec<Uuid> = page.items.iter().map(|row| row.id).collect();
    let mut histories = histories(tx, &ids).await?;
    let next = page.next;
    let items = page
        .items
        .into_iter()
        .map(|row| {
            let history = histories.remove(&row.id).unwrap_or_default();
            Ok(BookingDetails { booking: row.view()?, history })
        })
        .collect::<sqlx::Result<Vec<_>>>()?;
    Ok(Page { list: page.list, items, next })
}

/// The pattern of folded texts that contain `text`, whose own signs stand for themselves.
fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// The changes of these bookings, oldest first.
async fn histories(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Vec<BookingChange>>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        booking_id: Uuid,
        from_status: String,
        to_status: String,
        at: DateTime<Utc>,
        by_email: String,
        note: Option<String>,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT booking_id, from_status, to_status, at, by_email, note FROM booking_events
         WHERE tenant_id = $1 AND booking_id = ANY ($2) AND from_status IS NOT NULL
         ORDER BY booking_id, position",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .fetch_all(tx.connection())
    .await?;
    let mut histories: HashMap<Uuid, Vec<BookingChange>> = HashMap::new();
    for row in rows {
        histories.entry(row.booking_id).or_default().push(BookingChange {
            from: status(&row.from_status)?,
            to: status(&row.to_status)?,
            at: row.at,
            by: row.by_email,
            note: row.note,
        });
    }
    Ok(histories)
}

pub(crate) async fn notice(tx: &mut TenantTx, event_id: Uuid) -> sqlx::Result<Option<BookingNotice>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        booking: BookingRow,
        service_name: String,
        from_status: Option<String>,
        to_status: String,
        at: DateTime<Utc>,
        note: Option<String>,
        position: i32,
    }
    let row: Option<Row> = sqlx::query_as(
        "SELECT b.id, b.ref, b.status, b.service_sku, b.name, b.email, b.phone, b.scheduled_for, b.notes,
                b.created_at, b.updated_at, b.service_name, e.from_status, e.to_status, e.at, e.note, e.position
         FROM booking_events e JOIN bookings b ON b.tenant_id = e.tenant_id AND b.id = e.booking_id
         WHERE e.tenant_id = $1 AND e.id = $2",
    )
    .bind(tx.tenant_id())
    .bind(event_id)
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(BookingNotice {
        booking: row.booking.view()?,
        service_name: row.service_name,
        from: row.from_status.as_deref().map(status).transpose()?,
        to: status(&row.to_status)?,
        at: row.at,
        note: row.note,
        position: row.position,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_patterns_stand_for_themselves() {
        assert_eq!(contains(r"50%_\A"), r"%50\%\_\\a%");
    }
}
