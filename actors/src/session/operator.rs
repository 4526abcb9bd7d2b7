//! What the operator's commands do with accounts. The tables' triggers announce each change, so a live session gets
//! its new role within a second.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::messages::{Role, User};
use super::password;
use super::store::{self, NewUser};
use crate::audit_log::{self, Entry, Subject};
use crate::database::Database;
use crate::fault::Fault;
use crate::random;
use crate::tenancy::TenantScope;

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
    let NewAccount { email, name, role, password, email_verified } = new;
    let hashing = tokio::task::spawn_blocking(move || password::hash(password.expose_secret()));
    let password_hash = hashing.await.map_err(|_| Fault::internal("hashing a password panicked"))??;
    let user = User { id: random::row_id(now), email, name, role, email_verified, created_at: now };
    database
        .write(scope, async |tx| {
            if !store::insert_user(tx, &NewUser { user: &user, password_hash: &password_hash }).await? {
                return Ok(Err(AccountError::EmailTaken));
            }
            if email_verified {
                store::mark_email_verified(tx, user.id, now).await?;
            }
            let entry = Entry::new(tx.tenant_id(), tx.actor(), "user.created", Subject("user", user.id))
                .after(json!({"role": user.role, "emailVerified": email_verified}));
            audit_log::record(tx.connection(), now, &[entry]).await?;
            Ok(Ok(()))
        })
        .await?;
    Ok(user)
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
