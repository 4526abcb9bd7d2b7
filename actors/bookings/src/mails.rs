//! The mails to customers about their bookings.

use futures_util::future::LocalBoxFuture;
use primetech_kernel::events::Place;
use primetech_kernel::outbox::{Delivery, DeliveryError, Sort, Subject};

use crate::events::BookingChanged;
use crate::messages::BookingNotice;

/// Mails of bookings that were made: by anyone, for anyone's address.
pub(crate) const MADE: Sort = Sort::new("booking-made");

/// Mails of what the shop's staff changed. Not bounded: no stranger causes them.
const CHANGED: Sort = Sort::new("booking-changed");

/// Where the mail of a change waits: behind the earlier mails of its booking.
pub(crate) fn place(changed: &BookingChanged) -> Option<Place> {
    let sort = if changed.from.is_none() { MADE } else { CHANGED };
    changed.is_mailed.then_some(Place { sort, subject: Some(Subject("booking", changed.booking_id)) })
}

/// Sends mails to customers.
pub trait CustomerMail: Send + Sync {
    /// Tells the customer of one event of a booking. The message of `delivery` may be delivered again if this fails.
    fn booking_changed(
        &self,
        delivery: Delivery,
        notice: BookingNotice,
    ) -> LocalBoxFuture<'_, Result<(), DeliveryError>>;
}
