//! Thin clients of outside services. Each implements what the domains need.

pub mod mail;
pub mod money;
pub mod pdf;
