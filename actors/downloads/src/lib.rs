//! Releases: the published files of products, who may download them, and signed URLs to the private store.
//!
//! Owns `releases` and `entitlements`. Invariant: the file of a published release is in the store; its size and hash
//! never change. A download needs an entitlement that is not revoked, or an administrator.

mod access;
mod actor;
mod domain;
mod entitlements;
mod error;
mod files;
mod http;
mod messages;
mod publish;
mod store;
mod views;

use std::sync::Arc;

use primetech_actors::webhook::{OrderPaid, OrderStandingChanged};
use primetech_kernel::events::LockRank;
use primetech_module::{Module, Surface};

pub use actor::ReleaseActor;
pub use domain::Downloads;
pub use error::{CODES, DownloadError, ENTITLEMENT_REQUIRED, StoreError};
pub use files::{Documents, ObjectStore, SignedUrl, USUAL_LIFETIME, Validity};
pub use messages::*;
pub use publish::*;
pub use views::*;

impl Module for Downloads {
    const NAME: &'static str = "downloads";

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        let actors = self.actors.clone();
        on.codes(CODES)
            .tables(&["releases", "entitlements"])
            .endpoints(
                self,
                [
                    http::sign::endpoint(),
                    http::list_releases::endpoint(),
                    http::list_downloads::endpoint(),
                    http::sign_download::endpoint(),
                ],
            )
            .within::<OrderPaid, _>(self, LockRank::ENTITLEMENTS, |_, reaction, paid| {
                Box::pin(async move { entitlements::grant(reaction, &paid).await })
            })
            .within::<OrderStandingChanged, _>(self, LockRank::ENTITLEMENTS, |_, reaction, changed| {
                Box::pin(async move { entitlements::follow(reaction, &changed).await })
            })
            .running(move || actors.are_running());
    }
}
