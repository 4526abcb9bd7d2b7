#[cfg(feature = "dev")]
pub mod dev;
#[cfg(feature = "dev")]
pub mod process;
