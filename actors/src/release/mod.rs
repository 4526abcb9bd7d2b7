//! Releases: the published files of products, and who may download them.
//!
//! Owns `releases` and `entitlements`. Invariant: the file of a published release is in the store; its size and hash never change. A
//! download needs an entitlement that is not revoked, or an administrator.

mod actor;
pub mod entitlements;
mod messages;
mod publish;
mod refusals;
mod store;
mod views;

pub use actor::ReleaseActor;
pub use messages::*;
pub use publish::*;
pub use views::*;
