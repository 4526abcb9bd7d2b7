//! The SQL that deletes expired rows.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Sessions,
    EmailVerificationTokens,
    PasswordResetTokens,
    IdempotencyKeys,
    OutboxMessages,
    MailAllowances,
}

/// The names of all tables that are swept.
pub const TABLES: [&str; 6] = [
    "sessions",
    "email_verification_tokens",
    "password_reset_tokens",
    "idempotency_keys",
    "outbox_messages",
    "mail_allowances",
];

impl Table {
    pub const ALL: [Self; 6] = [
        Self::Sessions,
        Self::EmailVerificationTokens,
        Self::PasswordResetTokens,
        Self::IdempotencyKeys,
        Self::OutboxMessages,
        Self::MailAllowances,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => TABLES[0],
            Self::EmailVerificationTokens => TABLES[1],
            Self::PasswordResetTokens => TABLES[2],
            Self::IdempotencyKeys => TABLES[3],
            Self::OutboxMessages => TABLES[4],
            Self::MailAllowances => TABLES[5],
        }
    }
}

macro_rules! delete {
    ($table:literal, $time:literal, $condition:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " AS old USING (SELECT tenant_id, id FROM ",
            $table,
            " WHERE ",
            $time,
            " <= $1 ",
            $condition,
            " ORDER BY ",
            $time,
            " LIMIT $2 FOR UPDATE SKIP LOCKED) AS over
             WHERE old.tenant_id = over.tenant_id AND old.id = over.id"
        )
    };
}

/// Deletes up to `limit` rows whose time was over at `over`, the oldest first, and tells how many. Rows that another
/// transaction has locked are passed over: it waits for nobody, and nobody that waits for it can make it wait.
pub(super) async fn delete_over(
    connection: &mut PgConnection,
    table: Table,
    over: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<u64> {
    let statement = match table {
        Table::Sessions => delete!("sessions", "expires_at", ""),
        Table::EmailVerificationTokens => delete!("email_verification_tokens", "expires_at", ""),
        Table::PasswordResetTokens => delete!("password_reset_tokens", "expires_at", ""),
        // One that is being worked on is taken over, not deleted.
        Table::IdempotencyKeys => delete!("idempotency_keys", "expires_at", "AND locked_until <= $1"),
        Table::OutboxMessages => delete!("outbox_messages", "sent_at", "AND status = 'SENT'"),
        // Of no tenant.
        Table::MailAllowances => {
            "DELETE FROM mail_allowances AS old
             USING (SELECT id FROM mail_allowances WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) AS over
             WHERE old.id = over.id"
        }
    };
    Ok(sqlx::query(statement).bind(over).bind(limit).execute(connection).await?.rows_affected())
}
