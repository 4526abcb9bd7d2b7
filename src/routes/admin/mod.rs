//! For the administrators of a shop.

pub mod list_bookings;
pub mod move_booking;
