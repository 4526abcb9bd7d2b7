//! Number series without a gap, and the orders and invoices that are numbered by them.
//!
//! Owns the table `counters`. A block of numbers is taken for a whole batch under one row lock, and becomes real only
//! with the rows that carry it: they commit together or not at all.

mod actor;
mod messages;
pub(crate) mod series;
mod store;

pub use actor::CounterActor;
pub use messages::*;
