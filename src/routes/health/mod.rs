//! Whether the process is alive, and whether it should be sent requests.

pub mod alive;
pub mod metrics;
pub mod readiness;
pub mod ready;
