//! The PDFs of invoices and receipts: which are stored, and what a new one is printed from.
//!
//! Writes `documents`. Printing and storing are the edge's: this domain is asked before (what is there, what is to be
//! printed) and after (the file lies in the store), and no transaction is open in between. Invariant: a document that
//! was recorded is never changed; another state of its subject is another document.

mod actor;
mod messages;
mod store;

pub use actor::DocumentActor;
pub use messages::*;
