//! Which tenant a host belongs to, and the proof that a request was resolved for it.

mod by_slug;
mod directory;
mod scope;

pub use by_slug::scope_of_slug;
pub use directory::{Resolution, Tenant, TenantDirectory};
pub use scope::TenantScope;
