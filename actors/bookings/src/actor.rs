use std::rc::Rc;

use actix::{Actor, Context, Handler, ResponseFuture};
use chrono::{DateTime, Utc};
use primetech_kernel::batch::{Batch, BatchLimits, BatchQueue, Reply};
use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::BatchTx;
use primetech_kernel::database::Database;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::fault::Fault;
use primetech_kernel::idempotency::{Once, OnceDone, OnceError};
use primetech_kernel::identifiers::BookingRef;
use primetech_kernel::random;

use crate::error::{BookError, MoveError};
use crate::events::{BookingChanged, By};
use crate::messages::*;
use crate::status::BookingStatus;
use crate::store::{self, NewBooking, NewEvent};

/// Two of 36^8 references that are equal are unlikely once; more often than this, something else is wrong.
const REFERENCE_TRIES: usize = 5;

/// Books services, many in one commit.
pub struct BookingActor {
    new: Rc<BatchQueue<Once<BookingBatch>>>,
}

impl BookingActor {
    pub fn new(database: &Database, clock: SharedClock, limits: BatchLimits) -> Self {
        let work = BookingBatch { clock: clock.clone() };
        Self { new: Rc::new(BatchQueue::new(Once { work, clock }, database, limits)) }
    }
}

impl Actor for BookingActor {
    type Context = Context<Self>;
}

primetech_kernel::ask::carry_spans!(BookingActor);

impl Handler<BookOnce> for BookingActor {
    type Result = ResponseFuture<Result<OnceDone<BookingView>, OnceError<BookError>>>;

    fn handle(&mut self, message: BookOnce, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.new.submit(message))
    }
}

/// The work of [`BookingActor`].
struct BookingBatch {
    clock: SharedClock,
}

impl Batch for BookingBatch {
    type Item = Book;
    type Done = BookingView;
    type Error = BookError;
    const NAME: &'static str = "booking.new";

    async fn run(&self, tx: &mut BatchTx, requests: &[Book]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        let services = store::find_services(
            tx.connection(),
            requests.iter().map(|request| (request.scope.tenant_id(), request.wanted.service_sku.as_str())),
        )
        .await?;
        let mut replies: Vec<Option<Reply<Self>>> = Vec::with_capacity(requests.len());
        let mut new = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            let sku = &request.wanted.service_sku;
            replies.push(match services.get(&(request.scope.tenant_id(), sku.clone())) {
                Some(service) => {
                    new.push((at, NewBooking::of(request, service, now)));
                    None
                }
                None => Some(Err(BookError::ProductNotFound { sku: sku.clone() })),
            });
        }
        let events = write(tx, now, &mut new).await?;
        for ((at, booking), event) in new.iter().zip(events) {
            let request = &requests[*at];
            let by = By { user_id: request.by_user_id, request_id: request.request_id.clone() };
            tx.emit(now, event.told(booking.product_id, by));
            replies[*at] = Some(Ok(booking.view(&request.wanted, now)));
        }
        let unanswered = || Err(Fault::internal("a booking without a reply").into());
        Ok(replies.into_iter().map(|reply| reply.unwrap_or_else(unanswered)).collect())
    }
}

/// Writes the bookings and their first events. A reference that is taken is drawn again.
async fn write(
    tx: &mut BatchTx,
    now: DateTime<Utc>,
    new: &mut [(usize, NewBooking)],
) -> sqlx::Result<Vec<NewEvent>> {
    for _ in 0..REFERENCE_TRIES {
        let written = store::insert_bookings(tx.connection(), now, new.iter().map(|(_, new)| new)).await?;
        let mut taken = false;
        for (_, booking) in new.iter_mut().filter(|(_, booking)| !written.contains(&booking.id)) {
            booking.reference = BookingRef::generate();
            taken = true;
        }
        if !taken {
            let events: Vec<NewEvent> = new.iter().map(|(_, booking)| NewEvent::made(booking, now)).collect();
            store::insert_events(tx.connection(), now, &events).await?;
            return Ok(events);
        }
    }
    Err(sqlx::Error::Protocol("no free booking reference was found".to_owned()))
}

pub(crate) async fn move_on(
    tx: &mut TenantTx,
    clock: &SharedClock,
    wanted: &MoveBooking,
) -> sqlx::Result<Result<BookingDetails, MoveError>> {
    let Some(locked) = store::lock(tx, &wanted.reference).await? else {
        return Ok(Err(MoveError::NotFound));
    };
    let (from, to): (BookingStatus, BookingStatus) = (locked.status, wanted.to);
    if !from.may_become(to) {
        return Ok(Err(MoveError::InvalidTransition { from, to }));
    }
    // Under the lock, so that of two changes the later one bears the later time.
    let now = clock.now();
    let event = NewEvent {
        tenant_id: tx.tenant_id(),
        id: random::row_id(now),
        booking_id: locked.id,
        from: Some(from),
        to,
        by_user_id: Some(wanted.by_user_id),
        by_email: wanted.by_email.clone(),
        note: wanted.note.clone(),
        position: locked.events + 1,
    };
    store::set_status(tx, locked.id, to, now).await?;
    store::insert_events(tx.connection(), now, std::slice::from_ref(&event)).await?;
    let by = By { user_id: Some(wanted.by_user_id), request_id: wanted.request_id.clone() };
    tx.emit(now, event.told(locked.product_id, by));
    Ok(store::details(tx, &wanted.reference).await?.ok_or(MoveError::NotFound))
}

impl NewBooking {
    fn of(request: &Book, service: &store::ServiceRow, now: DateTime<Utc>) -> Self {
        Self {
            tenant_id: request.scope.tenant_id(),
            id: random::row_id(now),
            reference: BookingRef::generate(),
            product_id: service.id,
            service_name: service.name.clone(),
            wanted: request.wanted.clone(),
        }
    }

    fn view(&self, wanted: &WantedBooking, now: DateTime<Utc>) -> BookingView {
        BookingView {
            bkg_ref: self.reference.clone(),
            status: BookingStatus::New,
            service_sku: wanted.service_sku.clone(),
            name: wanted.name.clone(),
            email: wanted.email.clone(),
            phone: wanted.phone.clone(),
            scheduled_for: wanted.scheduled_for,
            notes: wanted.notes.clone(),
            created_at: now,
            updated_at: now,
        }
    }
}

impl NewEvent {
    /// The event of a booking that was just made.
    fn made(booking: &NewBooking, now: DateTime<Utc>) -> Self {
        Self {
            tenant_id: booking.tenant_id,
            id: random::row_id(now),
            booking_id: booking.id,
            from: None,
            to: BookingStatus::New,
            by_user_id: None,
            by_email: booking.wanted.email.clone(),
            note: None,
            position: 1,
        }
    }

    fn told(&self, product_id: uuid::Uuid, by: By) -> BookingChanged {
        BookingChanged {
            tenant_id: self.tenant_id,
            booking_id: self.booking_id,
            product_id,
            event_id: self.id,
            from: self.from,
            to: self.to,
            by,
        }
    }
}
