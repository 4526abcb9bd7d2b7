use std::fmt;

use uuid::Uuid;

/// Proof that a request was resolved for one tenant. Only this module's directory and the session lookup that builds
/// on it make one, and its registry, for the operator's commands; every store function asks for a transaction opened
/// with one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantScope(Uuid);

impl TenantScope {
    /// For `tenancy` (a host was looked up, or the operator named the tenant) and for rows that were themselves read
    /// under a tenant.
    pub fn proven(tenant_id: Uuid) -> Self {
        Self(tenant_id)
    }

    pub fn tenant_id(&self) -> Uuid {
        self.0
    }
}

impl fmt::Debug for TenantScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tenant {}", self.0)
    }
}
