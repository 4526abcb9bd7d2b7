//! Thin clients of the services outside, behind what the actors need of them.

pub mod mail;
pub mod money;
pub mod pdf;
pub mod storage;
pub mod stripe;
