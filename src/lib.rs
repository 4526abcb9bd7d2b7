#[cfg(feature = "dev")]
pub mod dev;
pub mod integrations;
