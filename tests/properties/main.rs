//! What holds for whatever comes in: laws of the parsers and formats, tried on generated values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bookings;
mod cursors;
mod dotenv;
mod events;
mod identifiers;
mod money;
mod rules;
