//! A cheap HTTP/1.1 client: prepared bytes on kept connections. On a small machine the client takes its time from what
//! it measures, so it parses no more of an answer than it needs.

mod connection;
mod setup;
mod template;

pub use connection::{Answer, Connection};
pub use setup::SetupClient;
pub use template::Template;
