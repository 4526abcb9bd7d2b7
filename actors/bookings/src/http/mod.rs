//! The endpoints of bookings, one file each.

pub mod create;
pub mod list;
pub mod move_on;
pub mod track;

use serde::Serialize;
use utoipa::ToSchema;

use crate::messages::BookingView;

#[derive(Serialize, ToSchema)]
struct BookingAnswer<'a> {
    booking: &'a BookingView,
}
