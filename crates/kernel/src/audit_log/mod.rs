//! Who did what, when: entries that are written in the transaction of what they tell of, and never changed.
//!
//! Owns `audit_log`, `audit_chain` and `audit_unsealed`. Whoever changes something that is audited calls [`record`]
//! inside its transaction; the [`Sealer`] chains entries afterwards, so that work for one tenant does not queue for the
//! end of its chain; [`verify`] finds what was changed, removed or put in. Entries hold ids and statuses: no secret, no
//! key, no token, no personal data.

mod entry;
mod sealer;
mod store;
pub mod verify;

pub use entry::{Actor, RequestId};
pub use sealer::Sealer;

pub use entry::{Entry, Subject};
pub use store::record;
