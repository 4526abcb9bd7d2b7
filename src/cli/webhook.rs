//! `primetech webhook`: lists the stored events of the provider, and runs failed ones again.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use primetech_actors::webhook::Handled;
use primetech_actors::webhook::overview::{self, EventFilter, EventRecord};
use serde::Serialize;

use super::failure::Failure;
use super::output::{Reply, Table, time};
use super::workplace::{Workplace, execute};
use crate::program::Program;

/// Events that one command runs again; what is left, the next one does.
const MOST_RETRIED: i64 = 10_000;

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(Subcommand)]
enum WebhookCommand {
    /// List stored events, newest first
    #[command(after_help = "Examples:\n  primetech webhook list --status FAILED\n  \
                            primetech webhook list --tenant acme --limit 200 --json")]
    List(ListArguments),
    /// Run failed events again. Nothing is done twice
    #[command(
        after_help = "Examples:\n  primetech webhook retry evt_1Pxyz\n  primetech webhook retry --all-failed"
    )]
    Retry(RetryArguments),
}

#[derive(Args)]
struct ListArguments {
    /// Only events with this status
    #[arg(long, value_enum, ignore_case = true)]
    status: Option<StatusArgument>,
    /// Only events of this tenant
    #[arg(long, value_name = "SLUG")]
    tenant: Option<String>,
    /// The largest number of events
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

#[derive(Args)]
struct RetryArguments {
    /// The provider's id of the event
    #[arg(value_name = "EVENT_ID", required_unless_present = "all_failed", conflicts_with = "all_failed")]
    provider_event_id: Option<String>,
    /// All failed events, oldest first
    #[arg(long)]
    all_failed: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum StatusArgument {
    #[value(name = "PENDING")]
    Pending,
    #[value(name = "PROCESSED")]
    Processed,
    #[value(name = "FAILED")]
    Failed,
    #[value(name = "IGNORED")]
    Ignored,
}

impl StatusArgument {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Processed => "PROCESSED",
            Self::Failed => "FAILED",
            Self::Ignored => "IGNORED",
        }
    }
}

/// What came of running an event again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Retried {
    provider_event_id: String,
    /// `PROCESSED`, `IGNORED`, `WAITING`, `FAILED`, or `UNCHANGED` where there was nothing left to do.
    outcome: &'static str,
    /// As it is stored now.
    event: Option<EventRecord>,
}

pub(super) fn run(arguments: Arguments, program: &Program) -> ExitCode {
    execute(arguments.json, async {
        match arguments.command {
            WebhookCommand::List(wish) => list(&wish).await,
            WebhookCommand::Retry(wish) => retry(wish, program).await,
        }
    })
}

async fn list(arguments: &ListArguments) -> Result<Reply, Failure> {
    let workplace = Workplace::open().await?;
    let tenant_id = match &arguments.tenant {
        Some(slug) => Some(workplace.tenant(slug).await?.id),
        None => None,
    };
    let status = arguments.status.map(|status| status.as_str().to_owned());
    let filter = EventFilter { status, tenant_id, provider_event_id: None };
    let events = overview::list(&workplace.database, &filter, arguments.limit).await?;
    let mut table = Table::new(&["EVENT", "TYPE", "STATUS", ">ATTEMPTS", "TENANT", "RECEIVED", "REMARK"]);
    for event in &events {
        table.row([
            event.provider_event_id.clone(),
            event.kind.clone(),
            event.status.clone(),
            event.attempts.to_string(),
            event.tenant.clone().unwrap_or_default(),
            time(event.received_at),
            remark(event),
        ]);
    }
    let reply = Reply::new(&events, table.text("no events"))?;
    let is_full = i64::try_from(events.len()).is_ok_and(|shown| shown == arguments.limit);
    Ok(if is_full {
        reply.note(format!("only the newest {} are shown: see --limit", events.len()))
    } else {
        reply
    })
}

fn remark(event: &EventRecord) -> String {
    match (&event.last_error, &event.awaiting) {
        (Some(error), _) => error.clone(),
        (None, Some(payment)) if event.status == "PENDING" => format!("waiting for the payment {payment}"),
        _ => String::new(),
    }
}

async fn retry(arguments: RetryArguments, program: &Program) -> Result<Reply, Failure> {
    let workplace = Workplace::open_with_modules(program).await?;
    let ids = match arguments.provider_event_id {
        Some(id) => vec![id],
        None => overview::failed(&workplace.database, MOST_RETRIED).await?,
    };
    let mut retried = Vec::with_capacity(ids.len());
    for (provider_event_id, handled) in overview::retry(&workplace.database, &workplace.clock, ids).await {
        let Some(handled) = handled? else {
            let id = super::output::plain(&provider_event_id);
            return Err(Failure::Refused(format!("there is no event {id}: see `primetech webhook list`")));
        };
        let id = Some(provider_event_id.clone());
        let filter = EventFilter { provider_event_id: id, ..EventFilter::default() };
        let event = overview::list(&workplace.database, &filter, 1).await?.pop();
        retried.push(Retried { provider_event_id, outcome: outcome(handled), event });
    }
    let mut table = Table::new(&["EVENT", "OUTCOME", "STATUS", "REMARK"]);
    for one in &retried {
        let (status, remark) =
            one.event.as_ref().map(|event| (event.status.clone(), remark(event))).unwrap_or_default();
        table.row([one.provider_event_id.clone(), one.outcome.to_owned(), status, remark]);
    }
    let failed = retried.iter().filter(|one| one.outcome == "FAILED").count();
    let reply = Reply::new(&retried, table.text("no failed events"))?.succeeded(failed == 0);
    Ok(if failed > 0 { reply.note(format!("{failed} of {} failed again", retried.len())) } else { reply })
}

fn outcome(handled: Handled) -> &'static str {
    match handled {
        Handled::Processed => "PROCESSED",
        Handled::Ignored => "IGNORED",
        Handled::Waiting => "WAITING",
        Handled::Failed => "FAILED",
        Handled::Duplicate => "UNCHANGED",
    }
}
