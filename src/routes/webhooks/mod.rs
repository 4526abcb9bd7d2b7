//! The events of payment providers.

pub mod stripe;
