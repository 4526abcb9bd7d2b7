//! A customer's own: what was bought, to be downloaded.

pub mod list_downloads;
pub mod sign_download;
