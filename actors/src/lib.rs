//! The domain actors of Prime Tech Platform.
//!
//! Each folder is one domain: its `messages` are its outside, its actor serialises what is contested, its `store`
//! holds all of its SQL. Handlers of the HTTP edge send messages and never see a database connection.

pub mod ask;
pub mod audit;
pub mod audit_log;
pub mod batch;
pub mod booking;
pub mod catalogue;
pub mod clock;
pub mod counter;
pub mod database;
pub mod document;
pub mod fault;
pub mod idempotency;
pub mod identifiers;
pub mod invalidation;
pub mod licence;
pub mod money;
pub mod order;
pub mod outbox;
pub mod page;
pub mod queue_figures;
pub mod random;
pub mod reconciler;
pub mod release;
pub mod session;
pub mod shard;
pub mod stored_file;
pub mod sweeper;
pub mod system;
pub mod tenancy;
pub mod trace;
pub mod webhook;
