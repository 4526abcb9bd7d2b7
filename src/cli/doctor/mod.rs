//! `primetech doctor`: checks everything that serving needs, and advises on each fault.
//!
//! All parts are checked at the same time, each for a bounded time, so one fault hides no other. It leaves nothing
//! behind: it removes its object under `doctor/` in the store and its file in the mail folder.

mod check;
mod configuration;
mod database;
mod http;
mod services;
mod store;
mod stripe;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use futures_util::future::join_all;
use primetech_actors::clock::{Clock, SharedClock, SystemClock};
use primetech_module::Migrations;
use serde::Serialize;

use super::failure::Failure;
use super::output::{self, Reply, Table};
use super::workplace::execute;
use crate::config::{Parts, Variables};
use crate::program::Program;
use check::{Check, Status};

/// How long each part is looked at.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(
    after_help = "Examples:\n  primetech doctor\n  primetech doctor --json | jq '.checks[] | select(.status == \"FAULT\")'\n\n\
                        Reads the same variables as `primetech serve`. Exit code 1 if there is a fault; warnings do not count."
)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis {
    /// There is no fault.
    ok: bool,
    examined_at: DateTime<Utc>,
    version: &'static str,
    checks: Vec<Check>,
}

pub(super) fn run(arguments: &Arguments, program: &Program, modules: &[Migrations]) -> ExitCode {
    execute(arguments.json, examine(program, modules))
}

async fn examine(program: &Program, modules: &[Migrations]) -> Result<Reply, Failure> {
    let clock: SharedClock = Arc::new(SystemClock);
    let parts = Parts::read(Variables::load()?, program);
    let mut checks = configuration::check(&parts);
    checks.extend(outside(parts, modules, &clock).await);
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (faults, warnings) = (count(Status::Fault), count(Status::Warning));
    let text = text(&checks);
    let (ok, version) = (faults == 0, env!("CARGO_PKG_VERSION"));
    let diagnosis = Diagnosis { ok, examined_at: SystemClock.now(), version, checks };
    let reply = Reply::new(&diagnosis, text)?.succeeded(ok);
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Ok(reply.note(format!("{}, {}", plural(faults, "fault"), plural(warnings, "warning"))))
}

/// Looks at what is outside of this process, all at the same time.
async fn outside(parts: Parts, modules: &[Migrations], clock: &SharedClock) -> Vec<Check> {
    const UNSET: &str = "its variables are not valid";
    let environment = parts.environment;
    let clock = || clock.clone();
    type Work = Pin<Box<dyn Future<Output = Vec<Check>>>>;
    let skipped =
        |name, why: &'static str| -> Work { Box::pin(async move { vec![Check::skipped(name, why)] }) };
    let work: Vec<(&'static str, Work)> = vec![
        (
            database::DATABASE,
            match parts.database_url {
                Some(url) => Box::pin(database::check(url, environment, modules.to_vec(), clock())),
                None => skipped(database::DATABASE, UNSET),
            },
        ),
        (
            store::STORE,
            match parts.storage {
                Some(config) => Box::pin(store::check(config, clock())),
                None => skipped(store::STORE, UNSET),
            },
        ),
        (
            stripe::STRIPE,
            match parts.stripe {
                Some(config) => Box::pin(stripe::check(config, environment, clock())),
                None => skipped(stripe::STRIPE, UNSET),
            },
        ),
        (
            services::MAIL,
            match parts.mail {
                Some(config) => Box::pin(services::mail(config)),
                None => skipped(services::MAIL, UNSET),
            },
        ),
        (
            services::REDIS,
            match parts.redis_url {
                Some(url) => Box::pin(services::redis(url)),
                None => skipped(services::REDIS, "REDIS_URL is not set: each process counts on its own"),
            },
        ),
    ];
    let bounded = work.into_iter().map(|(name, work)| async move {
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", PATIENCE.as_secs());
            vec![Check::fault(
                name,
                message,
                "check that its address is correct and that no firewall drops the connection",
            )]
        })
    });
    join_all(bounded).await.into_iter().flatten().collect()
}

fn text(checks: &[Check]) -> String {
    let mut table = Table::new(&["", "CHECK", "RESULT"]);
    for check in checks {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Fault => "FAULT",
            Status::Skipped => "skipped",
        };
        table.row([status.to_owned(), check.name.to_owned(), check.message.clone()]);
    }
    let mut text = table.text("");
    if checks.iter().any(|check| check.advice.is_some()) {
        text.push_str("\nWhat to do:\n");
    }
    // The same advice once, for all that it is about.
    for about in checks.chunk_by(|one, next| one.advice == next.advice) {
        if let Some(advice) = &about[0].advice {
            for check in about {
                text.push_str(&format!("  {}: {}\n", check.name, output::plain(&check.message)));
            }
            text.push_str(&format!("    {advice}\n"));
        }
    }
    text
}
