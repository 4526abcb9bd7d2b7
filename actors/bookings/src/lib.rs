//! Bookings of services, and the history of their status.
//!
//! Owns `bookings` and `booking_events`. One transaction writes a booking, its first event, its mail and the saved
//! answer of its key. [`BookingStatus::allowed`] decides each change of status under the row's lock: if two
//! administrators change one booking at the same time, one is refused.

mod actor;
mod domain;
mod error;
mod events;
mod http;
mod mails;
mod messages;
mod status;
mod store;

use std::sync::Arc;

use primetech_module::{Module, Surface};

pub use actor::BookingActor;
pub use domain::Bookings;
pub use error::{BookError, CODES, MoveError};
pub use events::BookingChanged;
pub use mails::CustomerMail;
pub use messages::*;
pub use status::BookingStatus;

/// The topic of the mails to customers.
const MAIL: &str = "mail.booking";

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
                Box::pin(async move { bookings.tell_the_customer(delivery, changed).await })
            })
            .running(move || actors.are_running());
    }
}
