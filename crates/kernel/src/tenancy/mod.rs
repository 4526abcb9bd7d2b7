//! The tenant of a host, and the proof that a request was resolved for it.

mod directory;
pub mod registry;
mod scope;

pub use directory::{Letterhead, Resolution, Tenant, TenantDirectory};
pub use scope::TenantScope;
