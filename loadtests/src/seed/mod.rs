//! Fills a database as years of use would: tenants, customers, licences, and a past of paid orders.
//!
//! By COPY, with all constraints on. Holds the promises that [`crate::invariants`] reads back.

mod ids;
mod rows;

use std::path::PathBuf;
use std::time::Instant;

use chrono::{DateTime, Datelike, Utc};
use clap::Args;
use primetech_accounts::password;
use primetech_actors::clock::{Clock, SystemClock};
use sqlx::postgres::PgPool;

use crate::Failure;
use crate::installation::Installation;
use crate::invariants::books;

pub use rows::PASSWORD;

#[derive(Args)]
pub struct Arguments {
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    tenants: u64,
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    licences: u64,
    /// How many of the licences were bought, each with its order and all that belongs to it [default: a tenth]
    #[arg(long)]
    orders: Option<u64>,
    /// The data directory of the running `primetech dev`
    #[arg(long, default_value = ".data")]
    data_dir: PathBuf,
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    pub tenants: u64,
    pub licences: u64,
    pub orders: u64,
    /// Of each tenant; the first is an admin.
    pub users: u64,
}

impl Amount {
    const USERS: u64 = 3;

    pub fn new(tenants: u64, licences: u64, orders: Option<u64>) -> Self {
        Self { tenants, licences, orders: orders.unwrap_or(licences / 10).min(licences), users: Self::USERS }
    }

    fn all_users(&self) -> u64 {
        self.tenants * self.users
    }

    fn bookings(&self) -> u64 {
        self.orders / 4
    }
}

pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let installation = Installation::found(&arguments.data_dir, None).await?;
    let amount = Amount::new(arguments.tenants, arguments.licences, arguments.orders);
    let filled = fill(&installation.pool, amount, true).await;
    installation.close().await?;
    filled
}

/// Fills a database that was not filled before.
pub async fn fill(pool: &PgPool, amount: Amount, tell: bool) -> Result<(), Failure> {
    let begun = Instant::now();
    let seeder = Seeder { amount, now: SystemClock.now(), password_hash: password::hash(PASSWORD)? };
    let mut connection = pool.acquire().await?;
    for table in rows::TABLES {
        let count = (table.count)(&amount);
        let at = Instant::now();
        let mut copy = connection.copy_in_raw(&format!("COPY {} FROM STDIN", table.columns)).await?;
        let mut text = String::with_capacity(rows::BUFFER + 4096);
        for number in 0..count {
            (table.row)(&seeder, number, &mut text);
            if text.len() >= rows::BUFFER {
                copy.send(text.as_bytes()).await?;
                text.clear();
            }
        }
        copy.send(text.as_bytes()).await?;
        copy.finish().await?;
        if tell && count > 0 {
            let name = table.columns.split_whitespace().next().unwrap_or_default();
            println!("{count:>10} {name:<28}{:>8.1} s", at.elapsed().as_secs_f64());
        }
    }
    drop(connection);
    // What is read next finds its pages clean and its plans informed.
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(pool).await?;
    sqlx::raw_sql("CHECKPOINT").execute(pool).await?;
    if tell {
        println!("in all {:.1} s, with VACUUM ANALYZE", begun.elapsed().as_secs_f64());
        for promise in books(&mut *pool.acquire().await?).await? {
            println!(
                "{}  {} ({})",
                if promise.holds { "holds " } else { "BROKEN" },
                promise.what,
                promise.found
            );
        }
    }
    Ok(())
}

/// What each row is made with.
struct Seeder {
    amount: Amount,
    now: DateTime<Utc>,
    password_hash: String,
}

impl Seeder {
    fn year(&self) -> i32 {
        self.now.year()
    }
}
