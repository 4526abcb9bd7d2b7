//! What a shop has published.

pub mod list;
