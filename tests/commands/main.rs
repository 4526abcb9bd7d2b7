//! The operator's commands: the real program against a real PostgreSQL, beside a serving process where it matters.
#![cfg(feature = "dev")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod audit;
mod catalogue;
mod doctor;
mod events;
mod form;
mod harness;
mod logs;
mod reconcile;
mod releases;
mod shop;
mod tenants;
