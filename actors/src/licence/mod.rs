//! Licences and their activations.
//!
//! Owns the tables `licences` and `activations`. Invariant (MAX=1): a licence has at most one active activation at any
//! moment. The actor decides from a locked row; the partial unique index `activations_one_active` holds whatever any
//! process believes.

mod actor;
mod certificate;
mod decide;
mod messages;
pub mod operator;
mod refusals;
pub(crate) mod store;

pub use actor::{LicenceActor, REFUSALS};
pub use certificate::{CertificateSigner, Claims, InvalidSigningKey, JwkSet};
pub use messages::*;
