//! What payment providers send us.

pub mod stripe;
