//! The currencies that can be charged, and the amounts that can be charged in them.

pub mod list;
