//! Licences: their owner's view, and the calls of licence clients.

pub mod activate;
pub mod deactivate;
pub mod get;
mod guesses;
pub mod keys;
pub mod list;
pub mod validate;

use primetech_actors::identifiers::LicenceKey;
use primetech_actors::licence::{ActivateError, DeactivateError, LicenceView};
use primetech_actors::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, Code};

#[derive(Serialize, ToSchema)]
struct LicenceAnswer {
    licence: LicenceView,
}

/// Which actor a licence's calls meet in.
fn shard_key(scope: TenantScope, key: &LicenceKey) -> (TenantScope, &LicenceKey) {
    (scope, key)
}

impl From<ActivateError> for ApiError {
    fn from(error: ActivateError) -> Self {
        Self::new(match error {
            ActivateError::NotFound => Code::LicenceNotFound,
            ActivateError::Suspended => Code::LicenceSuspended,
            ActivateError::Revoked => Code::LicenceRevoked,
            ActivateError::Expired => Code::LicenceExpired,
            ActivateError::MaxActivations => Code::LicenceMaxActivations,
            ActivateError::Fault(fault) => return fault.into(),
        })
    }
}

impl From<DeactivateError> for ApiError {
    fn from(error: DeactivateError) -> Self {
        Self::new(match error {
            DeactivateError::NotFound => Code::LicenceNotFound,
            DeactivateError::NotActiveHere => Code::LicenceNotActiveHere,
            DeactivateError::Fault(fault) => return fault.into(),
        })
    }
}
