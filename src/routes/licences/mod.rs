//! Licences: their owner's view, and the calls of licence clients.

pub mod activate;
pub mod deactivate;
pub mod get;
mod guesses;
pub mod keys;
pub mod list;
pub mod validate;

use primetech_actors::identifiers::LicenceKey;
use primetech_actors::licence::LicenceView;
use primetech_actors::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
struct LicenceAnswer {
    licence: LicenceView,
}

/// Which actor a licence's calls meet in.
fn shard_key(scope: TenantScope, key: &LicenceKey) -> (TenantScope, &LicenceKey) {
    (scope, key)
}
