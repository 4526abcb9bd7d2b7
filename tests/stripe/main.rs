//! The Stripe stand-in and the product's client of Stripe, held against each other and against outside measures:
//! async-stripe's own transport, Stripe's Python library, and the shapes that Stripe publishes.
#![cfg(feature = "dev")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod faults;
mod idempotency;
mod money;
mod pay_page;
mod payments;
mod provider;
mod python_sdk;
mod receiver;
mod restart;
mod shapes;
mod webhooks;
mod world;
