//! Transactions of no tenant. They tell of no event, so what events are written with may use them.

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

/// A transaction of the platform itself.
pub struct PlatformTx {
    transaction: Transaction<'static, Postgres>,
}

impl PlatformTx {
    pub(super) async fn begin(pool: &PgPool) -> sqlx::Result<Self> {
        Self::begin_as(pool, "platform").await
    }

    /// One of another scope: a constant of the program, which only policies made for it honour.
    pub(super) async fn begin_as(pool: &PgPool, scope: &'static str) -> sqlx::Result<Self> {
        let begin = format!("BEGIN; SELECT set_config('app.scope', '{scope}', true)");
        let transaction = pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Self { transaction })
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// For work that may be done twice without harm, so that a lost answer needs no looking up.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.transaction.commit().await
    }
}
