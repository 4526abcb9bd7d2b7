//! The HTTP edge and the composition root of Prime Tech Platform.

#[cfg(feature = "dev")]
pub mod dev;
pub mod integrations;
#[cfg(feature = "dev")]
pub mod process;
