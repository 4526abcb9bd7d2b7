//! Licences and their activations.
//!
//! Owns `licences` and `activations`. Invariant (MAX=1): a licence has at most one active activation. The actor
//! decides from a locked row; the partial unique index `activations_one_active` enforces it for every process.

mod actor;
mod certificate;
mod decide;
mod domain;
mod error;
mod events;
mod fulfilment;
mod http;
mod messages;
pub mod operator;
mod seed;
mod store;

use std::sync::Arc;

use primetech_actors::webhook::{OrderPaid, OrderStandingChanged};
use primetech_kernel::events::LockRank;
use primetech_module::{Module, Surface};

pub use actor::{LicenceActor, REFUSALS};
pub use certificate::{CertificateSigner, Claims, InvalidSigningKey, Jwk, JwkSet};
pub use domain::{Licences, of_order};
pub use error::{
    ActivateError, CODES, DeactivateError, LICENCE_EXPIRED, LICENCE_MAX_ACTIVATIONS, LICENCE_NOT_ACTIVE_HERE,
    LICENCE_NOT_FOUND, LICENCE_REVOKED, LICENCE_SUSPENDED,
};
pub use events::{LicenceIssued, LicenceStatusChanged};
pub use messages::*;

impl Module for Licences {
    const NAME: &'static str = "licences";

    fn surface(self: &Arc<Self>, on: &mut Surface) {
        let actors = self.actors.clone();
        on.codes(CODES)
            .tables(&["licences", "activations"])
            .endpoints(
                self,
                [
                    http::list::endpoint(),
                    http::get::endpoint(),
                    http::validate::endpoint(),
                    http::activate::endpoint(),
                    http::deactivate::endpoint(),
                    http::keys::endpoint(),
                ],
            )
            .tells::<LicenceIssued>()
            .tells::<LicenceStatusChanged>()
            .within::<OrderPaid, _>(self, LockRank::LICENCES, |_, reaction, paid| {
                Box::pin(async move { fulfilment::issue(reaction, &paid).await })
            })
            .within::<OrderStandingChanged, _>(self, LockRank::LICENCES, |_, reaction, changed| {
                Box::pin(async move { fulfilment::follow(reaction, &changed).await })
            })
            .seed(|connection, now| Box::pin(seed::expired_licence(connection, now)))
            .running(move || actors.are_running());
    }
}
