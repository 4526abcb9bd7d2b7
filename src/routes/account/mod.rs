//! A customer's downloads.

pub mod list_downloads;
pub mod sign_download;
