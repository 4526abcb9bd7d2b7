//! The domains that are not modules yet.
//!
//! Each folder is one domain: `messages` are its interface, its actor serialises contested writes, its `store` has
//! all of its SQL. A handler sends messages and never sees a database connection.

pub mod audit;
pub mod catalogue;
pub mod counter;
pub mod document;
pub mod order;
pub mod reconciler;
pub mod system;
pub mod webhook;

pub use primetech_kernel::{
    ask, audit_log, batch, caller, clock, database, events, fault, idempotency, identifiers, invalidation,
    money, outbox, page, queue_figures, random, runtime, shard, stored_file, sweeper, tenancy, trace,
};
