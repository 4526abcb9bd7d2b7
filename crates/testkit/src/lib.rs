//! Tests of a domain over HTTP, without the whole program.
//!
//! A [`Site`] has a migrated database of its own, copied from the run's template, and serves the modules that a test
//! names, with the accounts that sign its visitors in. Each answer is held to the OpenAPI document of those modules.
//! What needs the whole program (Stripe, the object store, mails as they are sent) is tested by the program's own tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "used by tests alone")]

mod answer;
pub mod database;
mod described;
mod site;

pub use answer::{Answer, cookie_of};
pub use described::Described;
pub use site::{ACME, DEMO, PASSWORD, Site, Visitor, until};
