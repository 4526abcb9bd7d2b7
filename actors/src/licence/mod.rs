//! Licences and their activations.
//!
//! Owns `licences` and `activations`. Invariant (MAX=1): a licence has at most one active activation. The actor
//! decides from a locked row; the partial unique index `activations_one_active` enforces it for every process.

mod actor;
mod certificate;
mod decide;
pub mod fulfilment;
mod messages;
pub mod operator;
mod refusals;
pub(crate) mod store;

pub use actor::{LicenceActor, REFUSALS};
pub use certificate::{CertificateSigner, Claims, InvalidSigningKey, JwkSet};
pub use messages::*;
