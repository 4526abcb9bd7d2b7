//! Bookings of services, and the history of their status.
//!
//! Owns `bookings` and `booking_events`. A booking is written together with its first event, its mail and, where the
//! request had a key, the kept answer. Its status changes only as [`BookingStatus::allowed`] says, under the row's
//! lock, so that of two administrators who move one booking at the same time one is refused.

mod actor;
mod messages;
mod status;
mod store;

pub use actor::BookingActor;
pub use messages::*;
pub use status::BookingStatus;
