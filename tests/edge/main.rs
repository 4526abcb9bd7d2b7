//! The HTTP edge over real HTTP: what every request meets, whatever endpoint it is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod bodies;
mod client;
mod commands;
mod endpoints;
mod harness;
mod inputs;
mod lifecycle;
mod origins;
mod outcomes;
mod permissions;
mod rate_limits;
#[cfg(unix)]
mod redis;
#[cfg(unix)]
mod shared_limits;
mod smuggling;
mod table;
mod tenants;
