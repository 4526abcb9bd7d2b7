//! The caller: the role of a user, the live session of a request, and what its viewer may see.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tenancy::TenantScope;

/// What a user may do: each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    Customer,
    Admin,
}

impl Role {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "CUSTOMER" => Some(Self::Customer),
            "ADMIN" => Some(Self::Admin),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER",
            Self::Admin => "ADMIN",
        }
    }
}

/// A user as the API shows it. `Debug` keeps the address and name to itself.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: Uuid,
    #[schema(example = "jane@example.com")]
    pub email: String,
    #[schema(example = "Jane Doe")]
    pub name: Option<String>,
    pub role: Role,
    pub email_verified: bool,
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("User").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// A session that was found to be alive: proof of who is asking, and for which tenant.
#[derive(Debug, Clone)]
pub struct Session {
    pub scope: TenantScope,
    pub session_id: Uuid,
    pub user: User,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl Session {
    pub fn scope(&self) -> TenantScope {
        self.scope
    }
}

/// Whose things are looked at: a customer sees its own, an admin all of the tenant's.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    pub scope: TenantScope,
    pub user_id: Uuid,
    sees_all: bool,
}

impl Viewer {
    /// For the platform's own deliveries: sees all of the tenant.
    pub fn of_platform(scope: TenantScope) -> Self {
        Self { scope, user_id: Uuid::nil(), sees_all: true }
    }

    /// None where all users' rows may be seen: the parameter of the queries' owner filter.
    pub fn only_user(&self) -> Option<Uuid> {
        (!self.sees_all).then_some(self.user_id)
    }
}

impl From<&Session> for Viewer {
    fn from(session: &Session) -> Self {
        Self { scope: session.scope(), user_id: session.user.id, sees_all: session.user.role >= Role::Admin }
    }
}
