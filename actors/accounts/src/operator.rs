//! What the operator's commands do with accounts. The tables' triggers announce each change, so a live session gets
//! its new role within a second.

use chrono::{DateTime, Utc};
use primetech_kernel::audit_log::{self, Entry, Subject};
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::random;
use primetech_kernel::tenancy::TenantScope;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::messages::{Role, User};
use crate::password;
use crate::store::{self, NewUser};

/// An account that the operator makes.
#[derive(Debug)]
pub struct NewAccount {
    /// Folded to lower case.
    pub email: String,
    pub name: Option<String>,
    pub role: Role,
    pub password: SecretString,
    /// The operator vouches for the address. No mail is sent either way.
    pub email_verified: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error("no user has this e-mail address")]
    NotFound,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A user whose role was set.
#[derive(Debug)]
pub struct RoleSet {
    pub user: User,
    pub changed: bool,
    /// How many users of the tenant are ADMIN now.
    pub admins: i64,
}

pub async fn create(
    database: &Database,
    now: DateTime<Utc>,
    scope: &TenantScope,
    new: NewAccount,
) -> Result<User, AccountError> {
    let (user, password_hash) = new.made(now).await?;
    let new_user = NewUser { user: &user, password_hash: &password_hash };
    database
        .write(scope, async |tx| {
            if !store::insert_user(tx.connection(), scope.tenant_id(), &new_user).await? {
                return Ok(Err(AccountError::EmailTaken));
            }
            let entry = Entry::new(tx.tenant_id(), tx.actor(), "user.created", Subject("user", user.id))
                .after(json!({"role": user.role, "emailVerified": user.email_verified}));
            audit_log::record(tx.connection(), now, &[entry]).await?;
            Ok(Ok(()))
        })
        .await?;
    Ok(user)
}

/// Adds an account to a new development installation, on a connection of the schema's owner. The audit log says nothing
/// of it.
pub async fn seed(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    tenant_id: Uuid,
    new: NewAccount,
) -> Result<User, AccountError> {
    let (user, password_hash) = new.made(now).await?;
    let new_user = NewUser { user: &user, password_hash: &password_hash };
    let inserted = store::insert_user(connection, tenant_id, &new_user).await;
    if inserted.map_err(Fault::from)? { Ok(user) } else { Err(AccountError::EmailTaken) }
}

impl NewAccount {
    /// The user, and the hash of its password, which is computed outside the async threads.
    async fn made(self, now: DateTime<Utc>) -> Result<(User, String), Fault> {
        let Self { email, name, role, password, email_verified } = self;
        let hashing = tokio::task::spawn_blocking(move || password::hash(password.expose_secret()));
        let password_hash = hashing.await.map_err(|_| Fault::internal("hashing a password panicked"))??;
        let user = User { id: random::row_id(now), email, name, role, email_verified, created_at: now };
        Ok((user, password_hash))
    }
}

pub async fn set_role(
    database: &Database,
    now: DateTime<Utc>,
    scope: &TenantScope,
    email: &str,
    role: Role,
) -> Result<RoleSet, AccountError> {
    database
        .write(scope, async |tx| {
            let Some((before, _)) = store::find_credentials(tx, email).await? else {
                return Ok(Err(AccountError::NotFound));
            };
            let changed = before.role != role;
            if changed {
                store::set_role(tx, before.id, role).await?;
                let entry =
                    Entry::new(tx.tenant_id(), tx.actor(), "user.role_changed", Subject("user", before.id))
                        .before(json!({"role": before.role}))
                        .after(json!({"role": role}));
                audit_log::record(tx.connection(), now, &[entry]).await?;
            }
            let admins = store::count_admins(tx).await?;
            Ok(Ok(RoleSet { user: User { role, ..before }, changed, admins }))
        })
        .await
}
