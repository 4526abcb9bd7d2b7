//! The PDFs of invoices and receipts: which are stored, and the data to print a new one from.
//!
//! Writes `documents`. The HTTP edge prints and stores the file. It asks this domain before (which document exists,
//! what to print) and records the file after; no transaction is open in between. Invariant: a recorded document never
//! changes; another state of its subject is another document.

mod actor;
mod messages;
mod store;

pub use actor::DocumentActor;
pub use messages::*;
