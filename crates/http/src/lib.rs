//! The HTTP edge: layers, input, canonical errors, endpoints, rate limits and the OpenAPI document. Knows no domain.
//!
//! A domain's `http` folder declares [`endpoint::Endpoint`]s; [`mount::mount`] puts each behind the layers that it
//! expects.

pub mod context;
pub mod endpoint;
pub mod error;
pub mod figures;
pub mod input;
pub mod layers;
pub mod limits;
pub mod listener;
pub mod mount;
pub mod once;
pub mod openapi;
pub mod rate_limits;
mod request_spans;
pub mod saved_answer;
pub mod service;
