//! Orders: a user's own; for an administrator all of the tenant.

pub mod get;
pub mod list;
