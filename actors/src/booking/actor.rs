use std::collections::HashMap;
use std::rc::Rc;

use actix::{Actor, Context, Handler, ResponseFuture};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::BookingStatus;
use super::messages::*;
use super::store::{self, NewBooking, NewEvent};
use crate::audit_log::{self, Entry, Subject};
use crate::batch::{Batch, BatchLimits, BatchQueue, Reply};
use crate::clock::SharedClock;
use crate::database::Database;
use crate::database::kept::BatchTx;
use crate::fault::Fault;
use crate::idempotency::{self, Claimed, HeldClaim, KeptAnswer, Wanted};
use crate::identifiers::BookingRef;
use crate::outbox::{self, MailAllowances, NewMessage, OutboxSignal, Sort, WantedMail, enqueue};
use crate::page::Page;
use crate::random;

/// The mail of one event of a booking.
const MAIL: &str = "mail.booking";

/// Mails of bookings that were made: by anyone, for anyone's address.
const MADE: Sort = Sort::new("booking-made");
/// Mails of what the shop's staff changed. Not bounded: no stranger causes them.
const CHANGED: Sort = Sort::new("booking-changed");

/// Two of 36^8 references that are equal are unlikely once; more often than this, something else is wrong.
const REFERENCE_TRIES: usize = 5;

/// Books services, many in one commit, and moves bookings on.
pub struct BookingActor {
    database: Database,
    clock: SharedClock,
    outbox: OutboxSignal,
    new: Rc<BatchQueue<BookingBatch>>,
}

impl BookingActor {
    pub fn new(
        database: Database,
        clock: SharedClock,
        outbox: OutboxSignal,
        allowances: MailAllowances,
        limits: BatchLimits,
    ) -> Self {
        let batch = BookingBatch { clock: clock.clone(), allowances };
        let new = Rc::new(BatchQueue::new(batch, &database, limits));
        Self { database, clock, outbox, new }
    }
}

impl Actor for BookingActor {
    type Context = Context<Self>;
}

crate::ask::carry_spans!(BookingActor);

struct BookingBatch {
    clock: SharedClock,
    allowances: MailAllowances,
}

impl Batch for BookingBatch {
    type Item = Book;
    type Done = KeptAnswer;
    type Error = BookError;
    const NAME: &'static str = "booking.new";

    async fn run(&self, tx: &mut BatchTx, requests: &[Book]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        tx.open_tenants_to_write(requests.iter().map(|request| request.scope.tenant_id())).await?;
        let services = store::find_services(
            tx.connection(),
            requests.iter().map(|request| (request.scope.tenant_id(), request.wanted.service_sku.as_str())),
        )
        .await?;
        let mut claims = claim_keys(tx, now, requests).await?;
        let mut replies: Vec<Option<Reply<Self>>> = requests.iter().map(|_| None).collect();
        let mut new = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            if let Some(Claimed::Refused(refused)) = claims.get(&at) {
                replies[at] = Some(Err(BookError::Refused(refused.clone())));
                continue;
            }
            let tenant_id = request.scope.tenant_id();
            match services.get(&(tenant_id, request.wanted.service_sku.clone())) {
                Some(service) => new.push((at, NewBooking::of(request, service, now))),
                None => {
                    if let Some(held) = held(claims.remove(&at)) {
                        let answer = &request.product_not_found;
                        idempotency::save_answer(tx.connection(), tenant_id, &held, answer).await?;
                    }
                    replies[at] = Some(Err(BookError::ProductNotFound));
                }
            }
        }
        write(tx, now, &mut new).await?;
        self.mail(tx, now, &new).await?;
        let entries: Vec<Entry> = new.iter().map(|(at, booking)| booking.audited(&requests[*at])).collect();
        audit_log::record(tx.connection(), now, &entries).await?;
        for (at, booking) in new {
            let request = &requests[at];
            replies[at] = Some(match (request.booked)(&booking.view(&request.wanted, now)) {
                Ok(body) => {
                    let answer = KeptAnswer { status: 201, body };
                    if let Some(held) = held(claims.remove(&at)) {
                        let tenant_id = request.scope.tenant_id();
                        idempotency::save_answer(tx.connection(), tenant_id, &held, &answer).await?;
                    }
                    Ok(answer)
                }
                Err(fault) => return Err(sqlx::Error::Protocol(fault.to_string())),
            });
        }
        Ok(replies
            .into_iter()
            .map(|reply| reply.unwrap_or_else(|| Err(Fault::internal("a booking without a reply").into())))
            .collect())
    }
}

impl BookingBatch {
    /// Writes the mails of bookings that were just made, but for those that their recipients have had enough of.
    async fn mail(
        &self,
        tx: &mut BatchTx,
        now: DateTime<Utc>,
        new: &[(usize, NewBooking)],
    ) -> sqlx::Result<()> {
        let mails: Vec<WantedMail<'_>> = new
            .iter()
            .map(|(_, booking)| WantedMail { email: &booking.wanted.email, sort: MADE, leaves: true })
            .collect();
        let allowed = self.allowances.take(tx.connection(), now, &mails).await?;
        let mails: Vec<NewMessage> = new
            .iter()
            .zip(allowed)
            .filter(|(_, allowed)| *allowed)
            .map(|((_, booking), _)| mail(booking.tenant_id, booking.id, booking.event_id, MADE))
            .collect();
        enqueue(tx.connection(), now, &mails).await
    }
}

fn mail(tenant_id: Uuid, booking_id: Uuid, event_id: Uuid, sort: Sort) -> NewMessage {
    NewMessage {
        tenant_id,
        topic: MAIL,
        sort,
        subject: Some(outbox::Subject("booking", booking_id)),
        payload: json!({"eventId": event_id}),
    }
}

fn held(claimed: Option<Claimed>) -> Option<HeldClaim> {
    match claimed {
        // Nothing of a booking is written before its answer: a claim that was left behind starts anew.
        Some(Claimed::Fresh(held) | Claimed::Resume(held, _)) => Some(held),
        Some(Claimed::Refused(_)) | None => None,
    }
}

/// The claims of those requests that have a key, by their place in the batch.
async fn claim_keys(
    tx: &mut BatchTx,
    now: DateTime<Utc>,
    requests: &[Book],
) -> sqlx::Result<HashMap<usize, Claimed>> {
    let (places, wanted): (Vec<usize>, Vec<Wanted<'_>>) = requests
        .iter()
        .enumerate()
        .filter_map(|(at, request)| {
            let claim = request.claim.as_ref()?;
            Some((at, Wanted { scope: request.scope, claim, order_id: None }))
        })
        .unzip();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let claims = idempotency::claim(tx.connection(), now, &wanted).await?;
    Ok(places.into_iter().zip(claims).collect())
}

/// Writes the bookings with their first events. A reference that is taken is drawn again.
async fn write(tx: &mut BatchTx, now: DateTime<Utc>, new: &mut [(usize, NewBooking)]) -> sqlx::Result<()> {
    for _ in 0..REFERENCE_TRIES {
        let written = store::insert_bookings(tx.connection(), now, new.iter().map(|(_, new)| new)).await?;
        let mut taken = false;
        for (_, booking) in new.iter_mut().filter(|(_, booking)| !written.contains(&booking.id)) {
            booking.reference = BookingRef::generate();
            taken = true;
        }
        if !taken {
            let events: Vec<NewEvent> = new.iter().map(|(_, booking)| NewEvent::made(booking)).collect();
            return store::insert_events(tx.connection(), now, &events).await;
        }
    }
    Err(sqlx::Error::Protocol("no free booking reference was found".to_owned()))
}

impl Handler<Book> for BookingActor {
    type Result = ResponseFuture<Result<KeptAnswer, BookError>>;

    fn handle(&mut self, message: Book, _: &mut Self::Context) -> Self::Result {
        let outbox = self.outbox.clone();
        let booked = self.new.submit(message);
        Box::pin(async move {
            let booked = booked.await?;
            outbox.raise();
            Ok(booked)
        })
    }
}

impl Handler<MoveBooking> for BookingActor {
    type Result = ResponseFuture<Result<BookingDetails, MoveError>>;

    fn handle(&mut self, message: MoveBooking, _: &mut Self::Context) -> Self::Result {
        let (database, clock, outbox) = (self.database.clone(), self.clock.clone(), self.outbox.clone());
        Box::pin(async move {
            let moved =
                database.write(&message.scope, async |tx| move_on(tx, &clock, &message).await).await?;
            outbox.raise();
            Ok(moved)
        })
    }
}

async fn move_on(
    tx: &mut crate::database::tx::TenantTx,
    clock: &SharedClock,
    message: &MoveBooking,
) -> sqlx::Result<Result<BookingDetails, MoveError>> {
    let Some(locked) = store::lock(tx, &message.reference).await? else {
        return Ok(Err(MoveError::NotFound));
    };
    let (from, to): (BookingStatus, BookingStatus) = (locked.status, message.to);
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
        by_user_id: Some(message.by_user_id),
        by_email: message.by_email.clone(),
        note: message.note.clone(),
        position: locked.events + 1,
    };
    store::set_status(tx, locked.id, to, now).await?;
    let (actor, subject) = (audit_log::Actor::User(message.by_user_id), Subject("booking", locked.id));
    let entry = Entry::new(tx.tenant_id(), actor, "booking.status_changed", subject)
        .asked_by(message.request_id.as_ref())
        .before(json!({ "status": from.as_str() }))
        .after(json!({ "status": to.as_str() }));
    audit_log::record(tx.connection(), now, &[entry]).await?;
    store::insert_events(tx.connection(), now, std::slice::from_ref(&event)).await?;
    let mail = mail(event.tenant_id, event.booking_id, event.id, CHANGED);
    enqueue(tx.connection(), now, &[mail]).await?;
    Ok(store::details(tx, &message.reference).await?.ok_or(MoveError::NotFound))
}

impl Handler<TrackBooking> for BookingActor {
    type Result = ResponseFuture<Result<Option<BookingView>, Fault>>;

    fn handle(&mut self, message: TrackBooking, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let TrackBooking { scope, reference, email } = message;
            database.read(&scope, async |tx| store::track(tx, &reference, &email).await).await
        })
    }
}

impl Handler<ListBookings> for BookingActor {
    type Result = ResponseFuture<Result<Page<BookingDetails>, Fault>>;

    fn handle(&mut self, message: ListBookings, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let ListBookings { scope, filter, page } = message;
            database.read(&scope, async |tx| store::list(tx, &filter, &page).await).await
        })
    }
}

impl Handler<FindBookingNotice> for BookingActor {
    type Result = ResponseFuture<Result<Option<BookingNotice>, Fault>>;

    fn handle(&mut self, message: FindBookingNotice, _: &mut Self::Context) -> Self::Result {
        let database = self.database.clone();
        Box::pin(async move {
            let FindBookingNotice { scope, event_id } = message;
            database.read(&scope, async |tx| store::notice(tx, event_id).await).await
        })
    }
}

impl NewBooking {
    fn of(request: &Book, service: &store::ServiceRow, now: DateTime<Utc>) -> Self {
        let wanted = request.wanted.clone();
        Self {
            tenant_id: request.scope.tenant_id(),
            id: random::row_id(now),
            event_id: random::row_id(now),
            reference: BookingRef::generate(),
            product_id: service.id,
            service_name: service.name.clone(),
            wanted,
        }
    }

    fn audited(&self, request: &Book) -> Entry {
        let actor = request.by_user_id.map_or(audit_log::Actor::Anonymous, audit_log::Actor::User);
        Entry::new(self.tenant_id, actor, "booking.created", Subject("booking", self.id))
            .asked_by(request.request_id.as_ref())
            .after(json!({"status": BookingStatus::New.as_str(), "productId": self.product_id}))
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
    fn made(booking: &NewBooking) -> Self {
        Self {
            tenant_id: booking.tenant_id,
            id: booking.event_id,
            booking_id: booking.id,
            from: None,
            to: BookingStatus::New,
            by_user_id: None::<Uuid>,
            by_email: booking.wanted.email.clone(),
            note: None,
            position: 1,
        }
    }
}
