//! Whether the process is alive, and whether it should get requests.

pub mod alive;
pub mod metrics;
pub mod readiness;
pub mod ready;
