//! The API's description, for programs and for people. Needs no network.

pub mod asset;
pub mod openapi;
pub mod page;
