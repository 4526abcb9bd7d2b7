//! `primetech reconcile`: asks the payment provider about pending payments, refunds and disputes now, and applies the
//! answers as its events would.

use std::process::ExitCode;

use clap::Args;
use primetech_actors::identifiers::OrderNumber;
use primetech_actors::reconciler::Outcome;
use primetech_actors::reconciler::by_hand::{self, Choice, Reconciled, Report};
use primetech_stripe::{PaymentProvider, ProviderTimeouts};

use super::failure::{Checks, Failure};
use super::output::{Reply, Table};
use super::workplace::{Workplace, execute};
use crate::config;
use crate::program::Program;
use crate::reconciler::StripeProvider;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  primetech reconcile\n  primetech reconcile --tenant acme --order ORD-20260131-7K2P\n\n\
                        Needs STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET. Refunds and disputes are asked for as \
                        far back as Stripe lists events, 30 days. Serving processes do the same in the background; an \
                        order that one of them is asking about is left to it.\n\
                        Exit code 1 if the provider cannot be asked or its answer does not fit an order."
)]
pub(super) struct Arguments {
    /// Write one JSON document, for scripts
    #[arg(long)]
    json: bool,
    /// Only orders of this tenant
    #[arg(long, value_name = "SLUG")]
    tenant: Option<String>,
    /// Only this order
    #[arg(long, value_name = "ORD-…", requires = "tenant")]
    order: Option<String>,
    /// The largest number of payments, oldest first
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

pub(super) fn run(arguments: Arguments, program: &Program) -> ExitCode {
    execute(arguments.json, async move { reconcile(&arguments, program).await })
}

async fn reconcile(arguments: &Arguments, program: &Program) -> Result<Reply, Failure> {
    let mut checks = Checks::new();
    let number = checks.optional("--order", arguments.order.as_deref(), OrderNumber::parse);
    let number = checks.finish(number)?;
    let (stripe, settings) = config::payment_provider()?;
    let provider = PaymentProvider::new(stripe.secret_key, stripe.api_base, ProviderTimeouts::default())
        .map_err(Failure::refused)?;
    let workplace = Workplace::open_with_modules(program).await?;
    let mut choice = Choice { at_most: arguments.limit, ..Choice::default() };
    let mut settled = None;
    if let Some(slug) = &arguments.tenant {
        let tenant = workplace.tenant(slug).await?;
        choice.tenant_id = Some(tenant.id);
        if let Some(number) = &number {
            let found = by_hand::find_order(&workplace.database, &tenant.scope(), number).await?;
            let (order_id, status) = found.ok_or_else(|| {
                Failure::Refused(format!("the tenant {} has no order {}", tenant.slug, number.as_str()))
            })?;
            choice.order_id = Some(order_id);
            settled = (status != "PENDING").then(|| Reconciled {
                tenant: tenant.slug.clone(),
                order_number: number.as_str().to_owned(),
                outcome: Outcome::Unchanged,
                status,
            });
        }
    }
    let mut report =
        by_hand::run(&workplace.database, &workplace.clock, StripeProvider(provider), settings, &choice)
            .await?;
    if report.asked.is_empty() {
        report.asked.extend(settled);
    }
    reply(&report, arguments)
}

fn reply(report: &Report, arguments: &Arguments) -> Result<Reply, Failure> {
    let asked = &report.asked;
    let mut table = Table::new(&["TENANT", "ORDER", "OUTCOME", "STATUS"]);
    let (mut away, mut unfit) = (0_usize, 0_usize);
    for one in asked {
        away += usize::from(one.outcome == Outcome::Unavailable);
        unfit += usize::from(matches!(one.outcome, Outcome::Mismatch | Outcome::NotWritten));
        table.row([
            one.tenant.clone(),
            one.order_number.clone(),
            one.outcome.to_string(),
            one.status.clone(),
        ]);
    }
    let nothing = if arguments.order.is_some() {
        "a serving process is asking about it now"
    } else {
        "no pending payments, and no missing refund or dispute"
    };
    let is_done = away == 0 && unfit == 0 && report.is_whole;
    let mut reply = Reply::new(asked, table.text(nothing))?.succeeded(is_done);
    if away > 0 || !report.is_whole {
        reply = reply.note("the payment provider cannot be asked: try again, or see `primetech doctor`");
    }
    if unfit > 0 {
        reply =
            reply.note(format!("{unfit} could not be settled: see `primetech webhook list --status FAILED`"));
    }
    Ok(reply)
}
