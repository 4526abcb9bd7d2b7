//! The licence clients of `examples/licence-clients`, each walked through the same steps against the running product:
//! what `docs/licence-clients.md` promises to those who build one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

mod certificates;
mod client;
mod guide;
mod proxy;
mod steps;
mod world;

use client::Language;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_keeps_to_every_rule_of_the_guide() {
    steps::walk(Language::Python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_javascript_client_keeps_to_every_rule_of_the_guide() {
    steps::walk(Language::JavaScript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rust_client_keeps_to_every_rule_of_the_guide() {
    steps::walk(Language::Rust).await;
}
