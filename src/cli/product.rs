//! `primetech product`: manages the products of a tenant.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use primetech_actors::catalogue::{self, Product, ProductKind, ProductWish, UpsertError, Upserted};
use primetech_actors::money::{self, AmountFault};
use serde::Serialize;

use super::failure::{Checks, Failure};
use super::output::{Record, Reply, Table, time, word, yes_or_no};
use super::workplace::{Workplace, execute};
use crate::input::rules;

#[derive(Args)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: ProductCommand,
}

#[derive(Subcommand)]
enum ProductCommand {
    /// Create a product, or change the given values of an existing one. Placed orders do not change
    #[command(
        after_help = "Examples:\n  primetech product upsert --tenant acme --sku editor-pro --kind LICENCE --name 'Editor Pro' \\\n      \
                            --amount 4900 --currency USD --licence-days 365\n  \
                            primetech product upsert --tenant acme --sku editor-pro --amount 5900\n  \
                            primetech product upsert --tenant acme --sku editor-pro --inactive"
    )]
    Upsert(UpsertArguments),
    /// List all products of a tenant
    #[command(after_help = "Example:\n  primetech product list --tenant acme")]
    List(ListArguments),
}

#[derive(Args)]
struct ListArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
}

#[derive(Args)]
struct UpsertArguments {
    /// The tenant's short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// The product's code
    #[arg(long)]
    sku: String,
    /// What the buyer gets. It cannot be changed once the product has orders, licences or releases
    #[arg(long, value_enum, ignore_case = true)]
    kind: Option<KindArgument>,
    /// The name on pages and documents
    #[arg(long)]
    name: Option<String>,
    /// The price of one, in the currency's minor unit: 4900 is 49.00 USD, or 4900 JPY. Ends in 0 in a currency of three
    /// decimals, and in 00 in ISK and UGX
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..=money::LARGEST_AMOUNT))]
    amount: Option<i64>,
    /// The currency's code, such as USD
    #[arg(long)]
    currency: Option<String>,
    /// The number of days that a licence is valid after its payment
    #[arg(long, value_name = "N", conflicts_with = "licence_forever",
          value_parser = clap::value_parser!(i32).range(1..=36_500))]
    licence_days: Option<i32>,
    /// Licences do not expire
    #[arg(long)]
    licence_forever: bool,
    /// The product can be bought (the default for a new one)
    #[arg(long, conflicts_with = "inactive")]
    active: bool,
    /// The product can no longer be bought
    #[arg(long)]
    inactive: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindArgument {
    #[value(name = "LICENCE")]
    Licence,
    #[value(name = "DOWNLOAD")]
    Download,
    #[value(name = "SERVICE")]
    Service,
}

impl From<KindArgument> for ProductKind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Licence => Self::Licence,
            KindArgument::Download => Self::Download,
            KindArgument::Service => Self::Service,
        }
    }
}

#[derive(Serialize)]
struct Done<'a> {
    #[serde(flatten)]
    product: &'a Product,
    outcome: Upserted,
}

pub(super) fn run(arguments: Arguments) -> ExitCode {
    execute(arguments.json, async {
        match arguments.command {
            ProductCommand::Upsert(wish) => upsert(&wish).await,
            ProductCommand::List(ListArguments { tenant }) => list(&tenant).await,
        }
    })
}

async fn upsert(arguments: &UpsertArguments) -> Result<Reply, Failure> {
    let wish = checked(arguments)?;
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(&arguments.tenant).await?;
    let (product, outcome) =
        catalogue::upsert(&workplace.database, workplace.now(), &tenant.scope(), &wish).await?;
    let note = match outcome {
        Upserted::Created => "created the product",
        Upserted::Updated => "changed the product; placed orders do not change",
        Upserted::Unchanged => "nothing to change",
    };
    Ok(Reply::new(&Done { product: &product, outcome }, text(&product))?.note(note))
}

fn checked(arguments: &UpsertArguments) -> Result<ProductWish, Failure> {
    let mut checks = Checks::new();
    let sku = checks.value("--sku", &arguments.sku, rules::sku);
    let name = checks.optional("--name", arguments.name.as_deref(), rules::text(1..=250));
    let upper_case = arguments.currency.as_deref().map(str::to_ascii_uppercase);
    let currency = checks.optional("--currency", upper_case.as_deref(), rules::currency);
    if let (Some(amount), Some(Some(currency))) = (arguments.amount, &currency)
        && let Err(fault) = money::check_price(amount, currency)
    {
        checks.fault("--amount", fault);
    }
    let wish = || {
        let licence_days =
            if arguments.licence_forever { Some(None) } else { arguments.licence_days.map(Some) };
        Some(ProductWish {
            sku: sku?,
            kind: arguments.kind.map(ProductKind::from),
            name: name?,
            unit_amount: arguments.amount,
            currency: currency?,
            active: if arguments.inactive { Some(false) } else { arguments.active.then_some(true) },
            licence_days,
        })
    };
    let wish = wish();
    checks.finish(wish)
}

async fn list(slug: &str) -> Result<Reply, Failure> {
    let workplace = Workplace::open().await?;
    let tenant = workplace.tenant(slug).await?;
    let products = catalogue::list(&workplace.database, &tenant.scope()).await?;
    let mut table =
        Table::new(&["SKU", "KIND", "NAME", ">MINOR UNITS", "CURRENCY", "ACTIVE", "LICENCE ENDS", "CHANGED"]);
    for product in &products {
        table.row([
            product.sku.clone(),
            word(&product.kind),
            product.name.clone(),
            product.unit_amount.to_string(),
            product.currency.clone(),
            yes_or_no(product.active),
            licence_ends(product),
            time(product.updated_at),
        ]);
    }
    Ok(Reply::new(&products, table.text("no products"))?)
}

fn text(product: &Product) -> String {
    Record::new()
        .with("sku", &product.sku)
        .with("kind", word(&product.kind))
        .with("name", &product.name)
        .with("price", format!("{} {} (minor units)", product.unit_amount, product.currency))
        .with("active", yes_or_no(product.active))
        .with("licence ends", licence_ends(product))
        .with("id", product.id.to_string())
        .with("changed", time(product.updated_at))
        .text()
}

fn licence_ends(product: &Product) -> String {
    match (product.kind, product.licence_days) {
        (ProductKind::Licence, Some(days)) => format!("after {days} days"),
        (ProductKind::Licence, None) => "never".to_owned(),
        _ => String::new(),
    }
}

impl From<UpsertError> for Failure {
    fn from(error: UpsertError) -> Self {
        match error {
            UpsertError::Incomplete(names) => {
                let arguments = names.into_iter().map(|name| {
                    let name = match name {
                        "kind" => "--kind",
                        "name" => "--name",
                        "amount" => "--amount",
                        _ => "--currency",
                    };
                    (name, "is needed for a new product".to_owned())
                });
                Self::Arguments(arguments.collect())
            }
            UpsertError::CurrencyWithoutAmount => {
                Self::argument("--amount", "is needed to change the currency")
            }
            UpsertError::Price(AmountFault::UnknownCurrency) => {
                Self::argument("--currency", "is needed: Stripe does not support the product's currency")
            }
            UpsertError::Price(fault) => Self::argument("--amount", fault),
            UpsertError::DaysWithoutLicence => {
                Self::argument("--licence-days", "is for products of the kind LICENCE only")
            }
            UpsertError::Fault(fault) => fault.into(),
            refusal @ UpsertError::KindIsFixed { .. } => {
                Self::Refused(format!("the kind cannot be changed: {refusal}"))
            }
        }
    }
}
