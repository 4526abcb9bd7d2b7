//! Number series without a gap, and the orders and invoices that they number.
//!
//! Owns `counters`. A batch takes a block of numbers under one row lock. The numbers and the rows that carry them
//! commit together.

mod actor;
mod messages;
pub(crate) mod series;
mod store;

pub use actor::CounterActor;
pub use messages::*;
