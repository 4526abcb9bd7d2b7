//! Receipts: a user's own, or for an admin the tenant's.

pub mod get;
pub mod pdf;
