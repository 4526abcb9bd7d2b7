//! `primetech dev`, and the parts that it stands on, run for real: PostgreSQL's processes, the S3 store over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod orphans;
mod patience;
mod postgres;
#[cfg(target_os = "linux")]
mod postgres_as_root;
mod store;
