//! The published releases of a shop.

pub mod list;
