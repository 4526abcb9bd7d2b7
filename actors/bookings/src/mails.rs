//! The mails to customers about their bookings.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use primetech_kernel::events::Place;
use primetech_kernel::outbox::{Delivery, DeliveryError, Sort, Subject};

use crate::{BookingChanged, BookingNotice, Bookings};

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

pub(crate) async fn tell_the_customer(
    bookings: Arc<Bookings>,
    delivery: Delivery,
    changed: BookingChanged,
) -> Result<(), DeliveryError> {
    let notice = bookings.notice(&delivery.scope, changed.event_id).await;
    let notice = notice.map_err(|fault| DeliveryError::Temporary(fault.to_string()))?;
    let notice =
        notice.ok_or_else(|| DeliveryError::Permanent("the message's eventId names nothing".to_owned()))?;
    bookings.mail.booking_changed(delivery, notice).await
}
