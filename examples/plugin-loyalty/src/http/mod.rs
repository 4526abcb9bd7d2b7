//! The endpoints, one a file.

pub mod points;
pub mod redeem;
