//! The product against a small model of it: random histories, several operations in flight at once on two processes'
//! worth of the application, and after each step the answers and the database must be those of some serial order.
//!
//! `reference` is written from the contract and knows nothing of the code; `operation` is what can happen; `tenant`
//! does it to the product, by way of `instance`, which is all of the application but its listener; `search` makes
//! histories and, where one is not as the model says, makes it small.
//!
//! | variable | |
//! | --- | --- |
//! | `MODEL_HISTORIES` | how many; 2 000 |
//! | `MODEL_SEED` | of the first; the next one has the next seed. Without it, another each time |
//! | `MODEL_HISTORY` | one history as a failure prints it: it alone is run |
#![cfg(feature = "dev")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod explain;
mod instance;
mod operation;
mod reference;
mod search;
mod tenant;
mod world;
