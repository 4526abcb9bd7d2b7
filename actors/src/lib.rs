//! The domain actors of Prime Tech Platform.
//!
//! Each folder is one domain: its `messages` are its outside, its actor serialises what is contested, its `store`
//! holds all of its SQL. Handlers of the HTTP edge send messages and never see a database connection.

pub mod audit;
pub mod catalogue;
pub mod counter;
pub mod document;
pub mod licence;
pub mod order;
pub mod reconciler;
pub mod release;
pub mod session;
pub mod system;
pub mod webhook;

pub use primetech_kernel::{
    ask, audit_log, batch, caller, clock, database, events, fault, idempotency, identifiers, invalidation,
    money, outbox, page, queue_figures, random, runtime, shard, stored_file, sweeper, tenancy, trace,
};
