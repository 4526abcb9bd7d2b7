//! Thin clients of the services outside, behind what the actors need of them.

pub mod stripe;
