//! The audit log: who did what, and when. An entry is written in the transaction of its change and never changes.
//!
//! Owns `audit_log`, `audit_chain` and `audit_unsealed`. An audited change calls [`record`] in its transaction, or
//! comes from an event with an audit entry. The [`Sealer`] chains entries after their commit, so writers of one
//! tenant do not queue for the end of its chain. [`verify`] finds changed, removed and inserted entries. Entries
//! contain ids and statuses: no secret, key, token or personal data.

mod entry;
mod sealer;
mod store;
pub mod verify;

pub use entry::{Actor, RequestId};
pub use sealer::Sealer;

pub use entry::{Entry, Subject};
pub use store::record;
