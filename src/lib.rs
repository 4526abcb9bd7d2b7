//! The HTTP edge and the composition root of Prime Tech Platform.

pub mod app;
pub mod cli;
pub mod compose;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod documents;
mod files;
mod mail;
pub mod metrics;
mod open_sessions;
mod payment_pages;
mod program;
mod reconciler;
pub mod routes;
pub mod schema;
pub mod telemetry;
pub mod termination;

pub use cli::run;
#[cfg(feature = "dev")]
pub use primetech_dev::process;
pub use primetech_http::{error, input, layers, limits, openapi, rate_limits};
pub use program::Program;
