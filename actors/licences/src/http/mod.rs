//! The endpoints of licences, one file each.

pub mod activate;
pub mod deactivate;
pub mod get;
mod guesses;
pub mod keys;
pub mod list;
pub mod validate;

use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::messages::LicenceView;

#[derive(Serialize, ToSchema)]
struct LicenceAnswer {
    licence: LicenceView,
}

/// Which actor a licence's calls meet in.
fn shard_key(scope: TenantScope, key: &LicenceKey) -> (TenantScope, &LicenceKey) {
    (scope, key)
}
