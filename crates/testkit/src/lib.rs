//! Tests of a domain over HTTP, without the whole program.
//!
//! A [`Site`] has a migrated database of its own, copied from the run's template, and serves the modules that a test
//! names, with the accounts that sign its visitors in. Each answer is held to the OpenAPI document of those modules.
//! What needs the whole program (Stripe, the object store, mails as they are sent) is tested by the program's own tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "used by tests alone")]

mod answer;
mod client;
pub mod database;
mod described;
mod instance;
mod site;

use std::time::{Duration, Instant};

pub use answer::{Answer, cookie_of};
pub use client::{Client, PASSWORD, Visitor};
pub use described::Described;
pub use instance::Instance;
pub use site::{ACME, DEMO, Site};

/// Waits until `holds`, for ten seconds at the most.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
