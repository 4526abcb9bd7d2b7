//! The mails to customers about their bookings.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use primetech_kernel::outbox::{Delivery, DeliveryError};

use crate::{BookingChanged, BookingNotice, Bookings};

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
