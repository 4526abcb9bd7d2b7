//! Bookings of services, for customers.

pub mod create;
pub mod track;

use primetech_actors::booking::BookingView;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
struct BookingAnswer<'a> {
    booking: &'a BookingView,
}
