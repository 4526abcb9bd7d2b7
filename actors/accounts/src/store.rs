//! The SQL of accounts. Each function works inside a transaction that sees one tenant.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::messages::{Role, Session, User};
use crate::token::MailTokenKind;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::tenancy::TenantScope;

#[derive(sqlx::FromRow)]
struct UserRow {
    id: Uuid,
    email: String,
    name: Option<String>,
    role: String,
    email_verified_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            // The column is checked; an unknown role of a later version has no more rights than a customer.
            role: Role::parse(&row.role).unwrap_or(Role::Customer),
            email_verified: row.email_verified_at.is_some(),
            created_at: row.created_at,
        }
    }
}

pub(crate) struct NewUser<'a> {
    pub user: &'a User,
    pub password_hash: &'a str,
}

/// False where the address is taken.
pub(crate) async fn insert_user(
    connection: &mut PgConnection,
    tenant_id: Uuid,
    new: &NewUser<'_>,
) -> sqlx::Result<bool> {
    let inserted = sqlx::query(
        "INSERT INTO users (tenant_id, id, email, name, role, password_hash, email_verified_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, email) DO NOTHING",
    )
    .bind(tenant_id)
    .bind(new.user.id)
    .bind(&new.user.email)
    .bind(&new.user.name)
    .bind(new.user.role.as_str())
    .bind(new.password_hash)
    .bind(new.user.email_verified.then_some(new.user.created_at))
    .bind(new.user.created_at)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) async fn find_credentials(tx: &mut TenantTx, email: &str) -> sqlx::Result<Option<(User, String)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        user: UserRow,
        password_hash: String,
    }
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, email, name, role, email_verified_at, created_at, password_hash
         FROM users WHERE tenant_id = $1 AND email = $2",
    )
    .bind(tx.tenant_id())
    .bind(email)
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| (row.user.into(), row.password_hash)))
}

pub(crate) async fn find_user(tx: &mut TenantTx, user_id: Uuid) -> sqlx::Result<Option<User>> {
    let row: Option<UserRow> = sqlx::query_as(
        "SELECT id, email, name, role, email_verified_at, created_at FROM users WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(User::from))
}

pub(crate) async fn mark_email_verified(
    tx: &mut TenantTx,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<User> {
    let row: UserRow = sqlx::query_as(
        "UPDATE users SET email_verified_at = coalesce(email_verified_at, $3)
         WHERE tenant_id = $1 AND id = $2
         RETURNING id, email, name, role, email_verified_at, created_at",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(now)
    .fetch_one(tx.connection())
    .await?;
    Ok(row.into())
}

pub(crate) async fn set_password(tx: &mut TenantTx, user_id: Uuid, password_hash: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET password_hash = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(user_id)
        .bind(password_hash)
        .execute(tx.connection())
        .await?;
    Ok(())
}

pub(crate) async fn set_role(tx: &mut TenantTx, user_id: Uuid, role: Role) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET role = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tx.tenant_id())
        .bind(user_id)
        .bind(role.as_str())
        .execute(tx.connection())
        .await?;
    Ok(())
}

pub(crate) async fn count_admins(tx: &mut TenantTx) -> sqlx::Result<i64> {
    let query = sqlx::query_scalar("SELECT count(*) FROM users WHERE tenant_id = $1 AND role = 'ADMIN'");
    query.bind(tx.tenant_id()).fetch_one(tx.connection()).await
}

pub(crate) struct NewSession {
    pub id: Uuid,
    pub token_hash: [u8; 32],
    pub user_id: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

pub(crate) async fn insert_session(tx: &mut TenantTx, session: &NewSession) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sessions (tenant_id, id, token_hash, user_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant_id())
    .bind(session.id)
    .bind(session.token_hash.as_slice())
    .bind(session.user_id)
    .bind(session.created_at)
    .bind(session.expires_at)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Signs a user in whose password was just checked. False where the password has been changed meanwhile: a reset ends
/// every session, also the one that is being made.
pub(crate) async fn insert_session_if_password_stands(
    tx: &mut TenantTx,
    session: &NewSession,
    password_hash: &str,
) -> sqlx::Result<bool> {
    let stands: Option<(i32,)> = sqlx::query_as(
        "SELECT 1 FROM users WHERE tenant_id = $1 AND id = $2 AND password_hash = $3 FOR SHARE",
    )
    .bind(tx.tenant_id())
    .bind(session.user_id)
    .bind(password_hash)
    .fetch_optional(tx.connection())
    .await?;
    if stands.is_some() {
        insert_session(tx, session).await?;
    }
    Ok(stands.is_some())
}

pub(crate) async fn find_session(
    tx: &mut TenantTx,
    scope: TenantScope,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Session>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        session_id: Uuid,
        session_created_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        #[sqlx(flatten)]
        user: UserRow,
    }
    let row: Option<Row> = sqlx::query_as(
        "SELECT s.id AS session_id, s.created_at AS session_created_at, s.expires_at,
                u.id, u.email, u.name, u.role, u.email_verified_at, u.created_at
         FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
         WHERE s.tenant_id = $1 AND s.token_hash = $2 AND s.revoked_at IS NULL AND s.expires_at > $3",
    )
    .bind(tx.tenant_id())
    .bind(token_hash.as_slice())
    .bind(now)
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Session {
        scope,
        session_id: row.session_id,
        user: row.user.into(),
        created_at: row.session_created_at,
        expires_at: row.expires_at,
    }))
}

pub(crate) async fn extend_session(
    tx: &mut TenantTx,
    session_id: Uuid,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE sessions SET expires_at = $3
         WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL AND expires_at < $3",
    )
    .bind(tx.tenant_id())
    .bind(session_id)
    .bind(expires_at)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Ends those that are alive; tells whose they were.
pub(crate) async fn revoke_sessions(
    tx: &mut TenantTx,
    token_hashes: &[[u8; 32]],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    let token_hashes: Vec<&[u8]> = token_hashes.iter().map(<[u8; 32]>::as_slice).collect();
    sqlx::query_scalar(
        "WITH alive AS (
             SELECT id FROM sessions WHERE tenant_id = $1 AND token_hash = ANY($2) AND revoked_at IS NULL
             ORDER BY id FOR UPDATE)
         UPDATE sessions SET revoked_at = $3 FROM alive
         WHERE sessions.tenant_id = $1 AND sessions.id = alive.id
         RETURNING sessions.user_id",
    )
    .bind(tx.tenant_id())
    .bind(token_hashes)
    .bind(now)
    .fetch_all(tx.connection())
    .await
}

pub(crate) async fn revoke_sessions_of(
    tx: &mut TenantTx,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE sessions SET revoked_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .bind(now)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The statements on one kind of mailed token: the two tables are alike.
struct MailTokenSql {
    end_others: &'static str,
    /// Does nothing where there is no user.
    insert: &'static str,
    find_live: &'static str,
    end: &'static str,
}

const VERIFY_EMAIL: MailTokenSql = MailTokenSql {
    end_others: "UPDATE email_verification_tokens SET ended_at = $3
                 WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL",
    insert:
        "INSERT INTO email_verification_tokens (tenant_id, id, user_id, token_hash, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6 WHERE $3::uuid IS NOT NULL",
    find_live: "SELECT u.email FROM email_verification_tokens t
                JOIN users u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
                WHERE t.tenant_id = $1 AND t.token_hash = $2 AND t.ended_at IS NULL AND t.expires_at > $3",
    end: "UPDATE email_verification_tokens SET ended_at = $3
          WHERE tenant_id = $1 AND token_hash = $2 AND ended_at IS NULL AND expires_at > $3
          RETURNING user_id",
};

const RESET_PASSWORD: MailTokenSql = MailTokenSql {
    end_others: "UPDATE password_reset_tokens SET ended_at = $3
                 WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL",
    insert: "INSERT INTO password_reset_tokens (tenant_id, id, user_id, token_hash, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6 WHERE $3::uuid IS NOT NULL",
    find_live: "SELECT u.email FROM password_reset_tokens t
                JOIN users u ON u.tenant_id = t.tenant_id AND u.id = t.user_id
                WHERE t.tenant_id = $1 AND t.token_hash = $2 AND t.ended_at IS NULL AND t.expires_at > $3",
    end: "UPDATE password_reset_tokens SET ended_at = $3
          WHERE tenant_id = $1 AND token_hash = $2 AND ended_at IS NULL AND expires_at > $3
          RETURNING user_id",
};

fn sql_of(kind: MailTokenKind) -> &'static MailTokenSql {
    match kind {
        MailTokenKind::VerifyEmail => &VERIFY_EMAIL,
        MailTokenKind::ResetPassword => &RESET_PASSWORD,
    }
}

/// Writes a new token and ends the user's older ones of the same kind. With no user it asks the database as much, and
/// writes nothing.
pub(crate) async fn replace_mail_token(
    tx: &mut TenantTx,
    kind: MailTokenKind,
    token_id: Uuid,
    user_id: Option<Uuid>,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let sql = sql_of(kind);
    let tenant_id = tx.tenant_id();
    sqlx::query(sql.end_others).bind(tenant_id).bind(user_id).bind(now).execute(tx.connection()).await?;
    sqlx::query(sql.insert)
        .bind(tenant_id)
        .bind(token_id)
        .bind(user_id)
        .bind(token_hash.as_slice())
        .bind(now)
        .bind(expires_at)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The address of a live token's user, without using the token.
pub(crate) async fn find_mail_token(
    tx: &mut TenantTx,
    kind: MailTokenKind,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    let tenant_id = tx.tenant_id();
    sqlx::query_scalar(sql_of(kind).find_live)
        .bind(tenant_id)
        .bind(token_hash.as_slice())
        .bind(now)
        .fetch_optional(tx.connection())
        .await
}

/// Ends a live token and gives its user; none where it is unknown, ended or expired. Of two at once one gets it.
pub(crate) async fn use_mail_token(
    tx: &mut TenantTx,
    kind: MailTokenKind,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Uuid>> {
    let tenant_id = tx.tenant_id();
    let row: Option<(Uuid,)> = sqlx::query_as(sql_of(kind).end)
        .bind(tenant_id)
        .bind(token_hash.as_slice())
        .bind(now)
        .fetch_optional(tx.connection())
        .await?;
    Ok(row.map(|(user_id,)| user_id))
}
