//! The base of every domain. Knows no domain, no HTTP and no outside service.
//!
//! A domain sends a message to its actor ([`ask`]), which works in batches ([`batch`]) inside a transaction that sees
//! certain tenants ([`database`]). [`events`] tell other domains, in the transaction or after it through the
//! [`outbox`]; the [`audit_log`] records who did what.

pub mod ask;
pub mod audit_log;
pub mod batch;
pub mod caller;
pub mod clock;
pub mod database;
pub mod events;
pub mod fault;
pub mod idempotency;
pub mod identifiers;
pub mod invalidation;
pub mod money;
pub mod outbox;
pub mod page;
pub mod queue_figures;
pub mod random;
pub mod runtime;
pub mod settings;
pub mod shard;
pub mod stored_file;
pub mod sweeper;
pub mod tenancy;
pub mod trace;
