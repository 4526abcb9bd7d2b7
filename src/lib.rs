//! The HTTP edge and the composition root of Prime Tech Platform.

pub mod app;
pub mod cli;
pub mod config;
pub mod error;
pub mod input;
pub mod layers;
pub mod limits;
pub mod listener;
pub mod routes;
pub mod schema;
pub mod telemetry;
