//! `primetech audit`: checks a year's invoice and receipt numbers, with a report for auditors, and checks the audit
//! log.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use primetech_actors::audit::{self, Amount, Checkpoint, Earlier, NumberReport, SeriesReport};
use primetech_actors::audit_log::verify::{self, Head};
use primetech_actors::tenancy::registry::TenantRecord;
use serde::Deserialize;

use super::failure::{Checks, Failure};
use super::output::{Record, Reply, Table, time};
use super::workplace::{Workplace, execute};

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Check that a year's INV and RCP numbers have no gap and no repeat, and list the void ones
    #[command(
        after_help = "Examples:\n  primetech audit numbers --tenant acme --year 2026 >numbers-2026.txt\n  \
                            primetech audit numbers --tenant acme --year 2026 --json >numbers-2026.json\n  \
                            primetech audit numbers --tenant acme --year 2026 --compare-with numbers-2026.json\n\n\
                            Exit code 1 if anything is found. The sha256 of a series covers one line for each number, in order:\n\
                            number TAB date TAB currency TAB total LF, dates as 2026-01-31T12:00:00.000000Z, totals in minor units."
    )]
    Numbers(NumbersArguments),
    /// Check that nothing in the audit log was changed, removed or inserted
    #[command(after_help = "Examples:\n  primetech audit verify --tenant acme\n  \
                            primetech audit verify --tenant acme --head 4711:5f3c…\n\n\
                            Store the reported head elsewhere. With --head, a later run checks that nothing up to it was cut off or \
                            rewritten. Exit code 1 if anything is found.")]
    Verify(VerifyArguments),
}

#[derive(Args)]
struct VerifyArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The head of an earlier report; it must still be a link of the chain
    #[arg(long, value_name = "POSITION:HASH")]
    head: Option<String>,
}

#[derive(Args)]
struct NumbersArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The year of the numbers (UTC)
    #[arg(long, value_parser = clap::value_parser!(i32).range(2000..=2199))]
    year: i32,
    /// An earlier --json report of the same tenant and year; what it covers must not have changed
    #[arg(long, value_name = "FILE")]
    compare_with: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    execute(arguments.json, async move {
        match arguments.command {
            AuditCommand::Numbers(wish) => numbers(&wish).await,
            AuditCommand::Verify(wish) => verify(&wish).await,
        }
    })
}

async fn verify(arguments: &VerifyArguments) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let head = checks.optional("--head", arguments.head.as_deref(), Head::parse);
    let head = checks.finish(head)?;
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let report = verify::run(&workplace.database, &tenant.scope(), head.as_ref()).await?;
    let head = report.head.as_ref().map(|head| format!("{}:{}", head.position, head.hash));
    let result =
        if report.ok { "as it was written".to_owned() } else { format!("{} FINDINGS", report.finding_count) };
    let mut text = Record::new()
        .with("tenant", tenant.slug)
        .with("sealed", report.sealed.to_string())
        .with("waiting", report.waiting.to_string())
        .with("head", head.unwrap_or_default())
        .with("result", result)
        .text();
    if !report.findings.is_empty() {
        let mut table = Table::new(&["FINDING", ">POSITION", "ENTRY", "WHAT"]);
        for finding in &report.findings {
            let position = finding.position.map(|position| position.to_string());
            let entry = finding.entry_id.map(|id| id.to_string());
            table.row([
                finding.code.to_owned(),
                position.unwrap_or_default(),
                entry.unwrap_or_default(),
                finding.message.clone(),
            ]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    let reply = Reply::new(&report, text)?.succeeded(report.ok);
    Ok(if report.ok { reply } else { reply.note(format!("{} findings", report.finding_count)) })
}

async fn numbers(arguments: &NumbersArguments) -> Result<Reply, Failure> {
    let before = arguments.compare_with.as_deref().map(read_earlier).transpose()?;
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let earlier = match &before {
        None => Earlier::default(),
        Some(report) => report.checkpoints(&tenant, arguments.year)?,
    };
    let report =
        audit::numbers(&workplace.database, workplace.now(), &tenant, arguments.year, &earlier).await?;
    let reply = Reply::new(&report, text(&report, arguments.compare_with.as_deref()))?.succeeded(report.ok);
    let findings: u64 = report.series.iter().map(|series| series.finding_count).sum();
    Ok(if report.ok {
        reply
    } else {
        reply.note(format!("{findings} findings: the numbers are not correct"))
    })
}

/// What is read of an earlier report.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierReport {
    tenant_id: uuid::Uuid,
    year: i32,
    series: Vec<EarlierSeries>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierSeries {
    kind: String,
    last_number: Option<String>,
    sha256: String,
}

fn read_earlier(path: &Path) -> Result<EarlierReport, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::argument("--compare-with", format!("must be a report that --json wrote: {error}"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&error))?;
    serde_json::from_str(&text).map_err(|error| unusable(&error))
}

impl EarlierReport {
    fn checkpoints(&self, tenant: &TenantRecord, year: i32) -> Result<Earlier, Failure> {
        if (self.tenant_id, self.year) != (tenant.id, year) {
            return Err(Failure::argument("--compare-with", "is the report of another tenant or year"));
        }
        let of = |kind: &str| {
            let series = self.series.iter().find(|series| series.kind == kind)?;
            let last_number = series.last_number.clone()?;
            Some(Checkpoint { last_number, sha256: series.sha256.clone() })
        };
        Ok(Earlier { invoices: of("INV"), receipts: of("RCP") })
    }
}

fn text(report: &NumberReport, compared_with: Option<&Path>) -> String {
    let findings: u64 = report.series.iter().map(|series| series.finding_count).sum();
    let result = if report.ok {
        "no gap, no repeat, nothing found".to_owned()
    } else {
        format!("{findings} FINDINGS")
    };
    let mut head = Record::new()
        .with("tenant", format!("{} ({}), {}", report.tenant, report.tenant_name, report.tenant_id))
        .with("year", format!("{} (UTC)", report.year))
        .with("generated at", time(report.generated_at))
        .with("by", concat!("primetech ", env!("CARGO_PKG_VERSION")))
        .with("database", format!("{}, snapshot {}", report.database, report.snapshot));
    if let Some(path) = compared_with {
        head = head.with("compared with", path.display().to_string());
    }
    let head = head.with("result", result).text();
    let mut text =
        format!("AUDIT OF INVOICE AND RECEIPT NUMBERS\n\n{head}Amounts are in the currency's minor unit.\n");
    for series in &report.series {
        text.push('\n');
        text.push_str(&of_series(series, report.year));
    }
    text
}

fn of_series(series: &SeriesReport, year: i32) -> String {
    let number = |number: &Option<String>, date: Option<_>| match (number, date) {
        (Some(number), Some(date)) => format!("{number} of {}", time(date)),
        _ => String::new(),
    };
    let or_none = |value: Option<i32>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let counter = &series.counter;
    let mut record = Record::new()
        .with("numbers", series.count.to_string())
        .with("first", number(&series.first_number, series.first_date))
        .with("last", number(&series.last_number, series.last_date))
        .with(
            "counter",
            format!("{}, highest number {}", or_none(counter.last_value), or_none(counter.highest_number)),
        )
        .with("total", amounts(&series.totals));
    if series.dated_before_predecessor > 0 {
        record = record.with(
            "dates",
            format!(
                "{} numbers are dated before their predecessor, by at most {} ms",
                series.dated_before_predecessor, series.longest_step_back_ms
            ),
        );
    }
    let mut text = format!("{}-{year}\n{}", series.kind, record.with("sha256", &series.sha256).text());
    if !series.by_status.is_empty() {
        let mut table = Table::new(&["STATUS", ">NUMBERS", "TOTAL"]);
        for status in &series.by_status {
            table.row([status.status.clone(), status.count.to_string(), amounts(&status.totals)]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    if !series.void.is_empty() {
        let mut table = Table::new(&["VOID", "DATE", ">TOTAL", "CURRENCY", "ORDER", "ITS STATUS"]);
        for void in &series.void {
            table.row([
                void.number.clone(),
                time(void.date),
                void.total.to_string(),
                void.currency.clone(),
                void.order_number.clone().unwrap_or_default(),
                void.order_status.clone().unwrap_or_default(),
            ]);
        }
        text.push_str(&format!("\n{}", table.text("")));
    }
    if !series.findings.is_empty() {
        let mut table = Table::new(&["FINDING", "WHAT"]);
        for finding in &series.findings {
            table.row([finding.code.to_owned(), finding.message.clone()]);
        }
        text.push_str(&format!("\n{}", table.text("")));
        let more = series.finding_count.saturating_sub(series.findings.len() as u64);
        if more > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "… and {more} more");
        }
    }
    text
}

fn amounts(amounts: &[Amount]) -> String {
    let each =
        amounts.iter().map(|amount| format!("{} {} ({})", amount.total, amount.currency, amount.count));
    each.collect::<Vec<_>>().join(", ")
}
