//! The endpoints of downloads, one file each.

pub mod list_downloads;
pub mod list_releases;
pub mod sign;
pub mod sign_download;
