//! The domain actors of Prime Tech Platform.
//!
//! Each folder is one domain: its `messages` are its outside, its actor serialises what is contested, its `store`
//! holds all of its SQL. Handlers of the HTTP edge send messages and never see a database connection.

pub mod ask;
pub mod batch;
pub mod clock;
pub mod database;
pub mod fault;
pub mod identifiers;
pub mod invalidation;
pub mod random;
pub mod shard;
pub mod tenancy;
pub mod outbox;
pub mod session;
