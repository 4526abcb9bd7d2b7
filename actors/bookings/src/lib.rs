//! Bookings of services, and the history of their status.
//!
//! Owns `bookings` and `booking_events`. One transaction writes a booking, its first event, its mail and the saved
//! answer of its key. [`BookingStatus::allowed`] decides each change of status under the row's lock: if two
//! administrators change one booking at the same time, one is refused.

mod actor;
mod error;
mod events;
mod http;
mod mails;
mod messages;
mod status;
mod store;

use std::sync::Arc;

use primetech_kernel::clock::SharedClock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::identifiers::BookingRef;
use primetech_kernel::outbox::MailAllowances;
use primetech_kernel::page::{Page, PageRequest};
use primetech_kernel::runtime::Runtime;
use primetech_kernel::shard::Shards;
use primetech_kernel::tenancy::TenantScope;
use primetech_module::{Module, Surface};
use uuid::Uuid;

pub use actor::BookingActor;
pub use error::{BookError, CODES, MoveError};
pub use events::BookingChanged;
pub use mails::CustomerMail;
pub use messages::*;
pub use status::BookingStatus;

/// The topic of the mails to customers.
const MAIL: &str = "mail.booking";

/// The domain.
pub struct Bookings {
    database: Database,
    clock: SharedClock,
    actors: Shards<BookingActor>,
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
}

impl Module for Bookings {
    const NAME: &'static str = "bookings";

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        let actors = self.actors.clone();
        on.codes(CODES)
            .tables(&["bookings", "booking_events"])
            .endpoints(
                self,
                [
                    http::create::endpoint(),
                    http::track::endpoint(),
                    http::list::endpoint(),
                    http::move_on::endpoint(),
                ],
            )
            .tells::<BookingChanged>()
            .after::<BookingChanged, _>(self, MAIL, mails::place, |bookings, delivery, changed| {
                Box::pin(mails::tell_the_customer(bookings, delivery, changed))
            })
            .running(move || actors.are_running());
    }
}
