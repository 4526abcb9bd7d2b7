//! The HTTP edge and the composition root of Prime Tech Platform.

pub mod app;
pub mod cli;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod documents;
pub mod error;
pub mod input;
pub mod integrations;
pub mod layers;
pub mod limits;
pub mod listener;
pub mod metrics;
pub mod openapi;
#[cfg(feature = "dev")]
pub mod process;
pub mod rate_limits;
mod reconciler;
pub mod routes;
pub mod schema;
pub mod telemetry;
