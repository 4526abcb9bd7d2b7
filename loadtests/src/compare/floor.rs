//! The other side: pgbench, with a transaction and a row lock for each request, in the scripts of `floor/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Datelike;
use primetech::dev::postgres::PrivateCluster;
use primetech_actors::clock::{Clock, SystemClock};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use url::Url;

use crate::Failure;
use crate::installation::{Installation, Shop};

pub const CLIENTS: usize = 32;

/// Beyond the round itself: to connect, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub enum Script {
    Checkout,
    CheckoutAndSession,
    Activate,
    Paid,
}

impl Script {
    fn file(self) -> &'static str {
        match self {
            Self::Checkout => "checkout.sql",
            Self::CheckoutAndSession => "checkout_and_session.sql",
            Self::Activate => "activate.sql",
            Self::Paid => "paid.sql",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Checkout => include_str!("../../floor/checkout.sql"),
            Self::CheckoutAndSession => include_str!("../../floor/checkout_and_session.sql"),
            Self::Activate => include_str!("../../floor/activate.sql"),
            Self::Paid => include_str!("../../floor/paid.sql"),
        }
    }
}

/// Makes the functions that the scripts call.
pub async fn prepare(installation: &Installation) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(&installation.database_url).await?;
    let (fsync, synchronous): (String, String) =
        sqlx::query_as("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
            .fetch_one(&mut connection)
            .await?;
    if fsync != "on" || synchronous != "on" {
        return Err("a comparison needs fsync and synchronous_commit".into());
    }
    sqlx::raw_sql(include_str!("../../floor/prepare.sql")).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// A shop whose counters are there to be locked.
pub async fn open_counters(installation: &Installation, shop: &Shop) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO counters (tenant_id, kind, period, last_value) VALUES ($1, 'INV', $2, 0), ($1, 'RCP', $2, 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(shop.tenant_id)
    .bind(SystemClock.now().year())
    .execute(&installation.pool)
    .await?;
    Ok(())
}

/// Runs a script for `length` and gives its transactions a second. `variables` are beside those that all scripts have.
pub async fn run(
    installation: &Installation,
    shop: &Shop,
    script: Script,
    variables: &[(&str, String)],
    length: Duration,
) -> Result<Ran, Failure> {
    let postgres = installation.postgres().ok_or("the comparison needs a PostgreSQL of its own")?;
    let url = Url::parse(&installation.database_url)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(script.file());
    std::fs::write(&file, script.text())?;
    let mut command = pgbench(&find(postgres), &url, &file, length);
    let common = [
        ("tenant", shop.tenant_id.to_string()),
        ("tag", shop.tag.clone()),
        ("year", SystemClock.now().year().to_string()),
        ("clients", CLIENTS.to_string()),
        ("turn", "-1".to_owned()),
    ];
    for (name, value) in common.iter().chain(variables) {
        command.arg("-D").arg(format!("{name}={value}"));
    }
    let running = tokio::task::spawn_blocking(move || command.output());
    let output =
        tokio::time::timeout(length + PATIENCE, running).await.map_err(|_| "pgbench did not end")??.map_err(
            |error| format!("pgbench cannot be run: {error} (it comes with PostgreSQL's server package)"),
        )?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    // An aborted client does not make pgbench itself fail.
    if !output.status.success() || complaints.contains("aborted") {
        return Err(format!("pgbench failed on {}:\n{said}\n{complaints}", script.file()).into());
    }
    Ran::read(&said).ok_or_else(|| format!("pgbench told no figures:\n{said}").into())
}

/// Beside the server's own program, or beside what that is a link to, or on the path.
fn find(postgres: &PrivateCluster) -> PathBuf {
    let linked = std::fs::canonicalize(postgres.program("postgres")).unwrap_or_default();
    [postgres.program("pgbench"), linked.with_file_name("pgbench")]
        .into_iter()
        .find(|program| program.is_file())
        .unwrap_or_else(|| "pgbench".into())
}

fn pgbench(program: &Path, url: &Url, file: &Path, length: Duration) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
        .arg(format!("--client={CLIENTS}"))
        .arg(format!("--time={}", length.as_secs().max(1)))
        .arg("--file")
        .arg(file)
        .stdin(Stdio::null())
        // In the environment, which other users cannot read, unlike arguments.
        .env("PGPASSWORD", url.password().unwrap_or_default())
        .env("PGUSER", url.username())
        .env("PGHOST", url.host_str().unwrap_or_default())
        .env("PGPORT", url.port().unwrap_or(5432).to_string())
        .env("PGSSLMODE", "disable")
        .env("LC_ALL", "C")
        .arg(url.path().trim_start_matches('/'));
    command
}

/// What pgbench found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ran {
    pub per_second: f64,
    pub transactions: u64,
}

impl Ran {
    fn read(said: &str) -> Option<Self> {
        let after = |label: &str| said.lines().find_map(|line| line.strip_prefix(label));
        let per_second = after("tps = ")?.split_whitespace().next()?.parse().ok()?;
        let transactions =
            after("number of transactions actually processed: ")?.split('/').next()?.trim().parse().ok()?;
        let failed = after("number of failed transactions: ").is_none_or(|text| text.starts_with("0 "));
        failed.then_some(Self { per_second, transactions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_where_no_transaction_failed() {
        let said = "number of transactions actually processed: 12345\nnumber of failed transactions: 0 (0.000%)\n\
                    latency average = 19.1 ms\ntps = 1543.5 (without initial connection time)\n";
        assert_eq!(Ran::read(said), Some(Ran { per_second: 1543.5, transactions: 12_345 }));
        assert_eq!(Ran::read(&said.replace(": 0 (", ": 2 (")), None);
        assert_eq!(Ran::read("nothing"), None);
    }
}
