//! Thin clients of outside services. Each implements what the domains need.

pub mod mail;
