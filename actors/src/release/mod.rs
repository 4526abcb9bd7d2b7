//! Releases: the published files of products, and who may download them.
//!
//! Writes `releases`. Invariant: a published release has its file in the store, and size and hash are that file's;
//! neither changes after. A download needs an entitlement that was not revoked, or an administrator.

mod actor;
mod messages;
mod publish;
mod refusals;
mod store;
mod views;

pub use actor::ReleaseActor;
pub use messages::*;
pub use publish::*;
pub use views::*;
