//! `primetech licence`: issues, shows and revokes licences.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use primetech_actors::identifiers::{LicenceKey, MalformedIdentifier};
use primetech_licences::operator::{self, Expiry, LicenceRecord, OperatorError};
use serde::Serialize;

use super::failure::{Checks, Failure};
use super::output::{Record, Reply, Table, time, time_or, word};
use super::workplace::{Workplace, execute};
use crate::input::rules;

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: LicenceCommand,
}

#[derive(Subcommand)]
enum LicenceCommand {
    /// Issue a licence without an order, with or without an owner
    #[command(
        after_help = "Examples:\n  primetech licence issue --tenant acme --sku editor-pro --email jane@example.com\n  \
                            primetech licence issue --tenant acme --sku editor-pro --days 30 --json | jq -r .key"
    )]
    Issue(IssueArguments),
    /// Show a licence, its active device and its earlier ones
    #[command(after_help = "Example:\n  primetech licence show --tenant acme LIC-7K2P-M4QX-9TZB")]
    Show(KeyArguments),
    /// Revoke a licence for good. Every later activation and validation is refused
    #[command(after_help = "Example:\n  primetech licence revoke --tenant acme LIC-7K2P-M4QX-9TZB")]
    Revoke(KeyArguments),
}

#[derive(Args)]
struct IssueArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The product's code
    #[arg(long)]
    sku: String,
    /// The owner's address; without it, the licence has no owner
    #[arg(long)]
    email: Option<String>,
    /// When the licence expires, such as 2027-01-31T00:00:00Z. By default the product decides
    #[arg(long, value_name = "TIME", conflicts_with_all = ["days", "never_expires"])]
    expires_at: Option<String>,
    /// The number of days until the licence expires
    #[arg(long, value_name = "N", conflicts_with = "never_expires",
          value_parser = clap::value_parser!(i32).range(1..=36_500))]
    days: Option<i32>,
    /// The licence does not expire
    #[arg(long)]
    never_expires: bool,
}

#[derive(Args)]
struct KeyArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The licence's key
    key: String,
}

#[derive(Serialize)]
struct Changed<'a> {
    #[serde(flatten)]
    licence: &'a LicenceRecord,
    changed: bool,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    execute(arguments.json, async {
        match arguments.command {
            LicenceCommand::Issue(wish) => issue(&wish).await,
            LicenceCommand::Show(which) => show(&which).await,
            LicenceCommand::Revoke(which) => revoke(&which).await,
        }
    })
}

async fn issue(arguments: &IssueArguments) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let sku = checks.value("--sku", &arguments.sku, rules::sku);
    let email = checks.optional("--email", arguments.email.as_deref(), rules::email);
    let expires_at = checks.optional("--expires-at", arguments.expires_at.as_deref(), rules::time);
    let ((sku, email), expires_at) = checks.finish(sku.zip(email).zip(expires_at))?;
    let expiry = match (expires_at, arguments.days) {
        (Some(time), _) => Expiry::At(time),
        (None, Some(days)) => Expiry::AfterDays(days),
        (None, None) if arguments.never_expires => Expiry::Never,
        (None, None) => Expiry::OfProduct,
    };
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let (database, now) = (&workplace.database, workplace.now());
    let licence = operator::issue(database, now, &tenant.scope(), &sku, email.as_deref(), expiry).await?;
    Ok(Reply::new(&licence, text(&licence))?)
}

async fn show(arguments: &KeyArguments) -> Result<Reply, Failure> {
    let key = checked(&arguments.key)?;
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let licence = operator::show(&workplace.database, workplace.now(), &tenant.scope(), &key).await?;
    Ok(Reply::new(&licence, text(&licence))?)
}

async fn revoke(arguments: &KeyArguments) -> Result<Reply, Failure> {
    let key = checked(&arguments.key)?;
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let (licence, changed) =
        operator::revoke(&workplace.database, workplace.now(), &tenant.scope(), &key).await?;
    let reply = Reply::new(&Changed { licence: &licence, changed }, text(&licence))?;
    Ok(if changed { reply } else { reply.note("the licence was already revoked") })
}

/// People write keys down in any case.
fn checked(text: &str) -> Result<LicenceKey, Failure> {
    LicenceKey::parse(&text.trim().to_ascii_uppercase())
        .map_err(|flaw: MalformedIdentifier| Failure::argument("<KEY>", flaw))
}

fn text(licence: &LicenceRecord) -> String {
    let view = &licence.view;
    let mut record = Record::new()
        .with("key", view.key.as_str())
        .with("status", word(&view.status))
        .with("product", &view.product_sku)
        .with("owner", licence.owner_email.clone().unwrap_or_default())
        .with("order", view.order_number.clone().unwrap_or_default())
        .with("expires", time_or(view.expires_at, "never"))
        .with("created", time(view.created_at));
    record = match &view.activation {
        None => record.with("active on", "no device"),
        Some(activation) => record
            .with("active on", &activation.fingerprint)
            .with("device", activation.device_name.clone().unwrap_or_default())
            .with("since", time(activation.activated_at)),
    };
    let mut text = record.text();
    if !licence.ended_activations.is_empty() {
        let mut table = Table::new(&["WAS ACTIVE ON", "DEVICE", "FROM", "TO"]);
        for ended in &licence.ended_activations {
            table.row([
                ended.fingerprint.clone(),
                ended.device_name.clone().unwrap_or_default(),
                time(ended.activated_at),
                time(ended.deactivated_at),
            ]);
        }
        text.push('\n');
        text.push_str(&table.text(""));
    }
    text
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Fault(fault) => fault.into(),
            refusal => Self::refused(refusal),
        }
    }
}
