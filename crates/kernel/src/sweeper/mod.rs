//! Deletes expired rows: sessions, mailed tokens, saved answers, counted mails, and messages that were delivered long
//! ago. Only the size of the tables depends on it: every reader checks a row's time itself.
//!
//! Every serving process runs it. A batch locks the rows that it deletes and skips rows that another process has
//! locked, so each row is deleted once; the locks of a process that dies are released with its connection.

mod store;

use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;

use crate::clock::SharedClock;
use crate::database::Database;
use crate::fault::Fault;
use crate::outbox;
use crate::random;
use store::Table;

pub use store::TABLES;

/// Between two looks, of one process.
const EVERY: Duration = Duration::from_secs(300);

/// Between two full batches: work that is never urgent leaves the connection to others.
const PACE: Duration = Duration::from_millis(200);

/// Rows of one transaction: some milliseconds.
const BATCH: i64 = 500;

/// Sessions and tokens stay for a while after their time, so that their end can still be looked up.
const RETENTION_AFTER_EXPIRY: TimeDelta = TimeDelta::days(7);

/// So are delivered messages: a customer who misses a mail asks within weeks.
const RETENTION_AFTER_DELIVERY: TimeDelta = TimeDelta::days(30);

impl Table {
    /// For how long a row stays after its time.
    fn retention(self) -> TimeDelta {
        match self {
            Self::Sessions | Self::EmailVerificationTokens | Self::PasswordResetTokens => {
                RETENTION_AFTER_EXPIRY
            }
            // The key may be used again as soon as it has expired.
            Self::IdempotencyKeys => TimeDelta::zero(),
            Self::OutboxMessages => RETENTION_AFTER_DELIVERY,
            // Counted while they are in the window.
            Self::MailAllowances => outbox::WINDOW,
        }
    }
}

/// Sweeps, in one process. Any number may at the same time.
pub struct Sweeper {
    database: Database,
    clock: SharedClock,
}

impl Sweeper {
    pub fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock }
    }

    /// Sweeps until `stop` turns true; the batch that is being deleted then is finished or rolled back as a whole.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        // Processes that start together do not stay together.
        let mut pause = EVERY.mul_f64(f64::from(random::token_bytes()[0]) / 255.0);
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => continue,
            }
            pause = match self.round().await {
                Ok(round) if round.has_more => PACE,
                Ok(_) => EVERY,
                Err(fault) => {
                    tracing::warn!(error = %fault, "rows whose time is over cannot be deleted; they wait");
                    EVERY
                }
            };
        }
    }

    /// Deletes at most one batch of each table.
    pub async fn round(&self) -> Result<Round, Fault> {
        let mut round = Round::default();
        for table in Table::ALL {
            let over = self.clock.now() - table.retention();
            let mut tx = self.database.sweeper_tx().await?;
            let deleted = store::delete_over(tx.connection(), table, over, BATCH).await?;
            tx.commit().await?;
            metrics::counter!("swept_rows_total", "table" => table.name()).increment(deleted);
            round.deleted += deleted;
            round.has_more |= deleted == BATCH.unsigned_abs();
        }
        Ok(round)
    }
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    pub deleted: u64,
    /// A batch was full: there is likely to be more.
    pub has_more: bool,
}
