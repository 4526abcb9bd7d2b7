//! What may be done with bookings. The endpoints and the commands call this.

use std::sync::Arc;

use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::identifiers::BookingRef;
use primetech_kernel::outbox::{Delivery, DeliveryError, MailAllowances};
use primetech_kernel::page::{Page, PageRequest};
use primetech_kernel::runtime::Runtime;
use primetech_kernel::shard::Shards;
use primetech_kernel::tenancy::TenantScope;
use uuid::Uuid;

use crate::actor::{self, BookingActor};
use crate::error::MoveError;
use crate::events::BookingChanged;
use crate::mails::CustomerMail;
use crate::messages::*;
use crate::store;

/// The domain.
pub struct Bookings {
    database: Database,
    clock: SharedClock,
    pub(crate) actors: Shards<BookingActor>,
    mail: Arc<dyn CustomerMail>,
}

impl Bookings {
    /// Starts the domain's actors.
    pub fn new(runtime: &Runtime, mail: Arc<dyn CustomerMail>, allowances: MailAllowances) -> Arc<Self> {
        let (database, clock, limits) =
            (runtime.database.clone(), Arc::clone(&runtime.clock), runtime.limits);
        let actors = runtime.shards({
            let (database, clock) = (database.clone(), Arc::clone(&clock));
            move || BookingActor::new(&database, Arc::clone(&clock), allowances.clone(), limits)
        });
        Arc::new(Self { database, clock, actors, mail })
    }

    /// A booking by its reference and its customer's address, which is in lower case.
    pub async fn track(
        &self,
        scope: &TenantScope,
        reference: &BookingRef,
        email: &str,
    ) -> Result<Option<BookingView>, Fault> {
        self.database.read(scope, async |tx| store::track(tx, reference, email).await).await
    }

    /// All bookings of the tenant that fit, newest first: for its administrators.
    pub async fn list(
        &self,
        scope: &TenantScope,
        filter: &BookingFilter,
        page: &PageRequest,
    ) -> Result<Page<BookingDetails>, Fault> {
        self.database.read(scope, async |tx| store::list(tx, filter, page).await).await
    }

    /// Moves a booking on: for administrators.
    pub async fn move_on(&self, wanted: &MoveBooking) -> Result<BookingDetails, MoveError> {
        self.database.write(&wanted.scope, async |tx| actor::move_on(tx, &self.clock, wanted).await).await
    }

    /// What a mail tells of one event of a booking.
    pub async fn notice(&self, scope: &TenantScope, event_id: Uuid) -> Result<Option<BookingNotice>, Fault> {
        self.database.read(scope, async |tx| store::notice(tx, event_id).await).await
    }

    /// Mails the customer about one event of a booking.
    pub(crate) async fn tell_the_customer(
        &self,
        delivery: Delivery,
        changed: BookingChanged,
    ) -> Result<(), DeliveryError> {
        let notice = self.notice(&delivery.scope, changed.event_id).await;
        let notice = notice.map_err(|fault| DeliveryError::Temporary(fault.to_string()))?;
        let notice = notice
            .ok_or_else(|| DeliveryError::Permanent("the message's eventId names nothing".to_owned()))?;
        self.mail.booking_changed(delivery, notice).await
    }
}
