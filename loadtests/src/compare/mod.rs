//! The service against what the same work costs with a row-lock transaction for each request, and against its marks.
//!
//! Both sides work on one PostgreSQL that flushes every commit, take turns round by round (A B A B …), and write the
//! same rows. Told are medians, and the least and the greatest of the rounds' ratios. After each of its rounds the
//! service's promises are read back: a figure of a service that breaks them is none.

mod floor;
mod latency;
mod numbering;
mod one_alone;
mod overload;
mod pairs;
mod process;
mod record;
mod scale;
mod spread;
mod table;

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::Failure;
use crate::commands::{OwnArguments, promises};
use crate::installation::{Installation, OwnWishes};
use crate::load::{self, Load, Measured, Workload};
use crate::report::Machine;
use spread::Spread;
use table::{Bound, Line};

/// Clients of the service. The other side has [`floor::CLIENTS`].
const CLIENTS: usize = 64;

/// Not counted, at the start of each of the service's rounds.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum What {
    /// Full checkouts over HTTP, the provider's stand-in included
    CheckoutOneTenant,
    /// The message to the actor that numbers, in process
    Numbering,
    /// Many devices, one licence
    ActivateOne,
    /// Each device its own licence
    ActivateMany,
    /// Paid events, signed, one to five times each
    WebhookStorm,
    /// Open loops at half of the peak rate
    Latency,
    /// One request with nothing else running, batched and not
    OneAlone,
    /// Twice the peak rate for a minute
    Overload,
    /// Start to ready, and memory
    Process,
    /// Many licences and tenants against few
    Scale,
}

#[derive(Args)]
pub struct Arguments {
    /// What to measure [default: all]
    #[arg(value_enum)]
    what: Vec<What>,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// The length of each round
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// The larger side of `scale`
    #[arg(long, default_value_t = 10_000)]
    tenants: u64,
    #[arg(long, default_value_t = 1_000_000)]
    licences: u64,
    /// Append the figures to loadtests/baselines.md
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    own: OwnArguments,
}

/// How each thing is measured.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    count: usize,
    length: Duration,
}

impl Rounds {
    fn load(&self, rate: Option<f64>) -> Load {
        let clients = if rate.is_some() { CLIENTS * 4 } else { CLIENTS };
        Load { clients, warm_up: WARM_UP, duration: self.length, rate }
    }
}

pub async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut wanted = arguments.what.clone();
    if wanted.is_empty() {
        wanted = What::value_variants().to_vec();
    }
    wanted.sort_unstable();
    wanted.dedup();
    let rounds = Rounds { count: arguments.rounds.into(), length: Duration::from_secs(arguments.seconds) };
    let installation = Installation::own(arguments.own.wishes(1)?).await?;
    let machine = Machine::look(&installation.pool).await?;
    println!(
        "{}\ncommit {}, {} rounds of {} s\n",
        machine.line(),
        machine.commit,
        rounds.count,
        arguments.seconds
    );
    let measured = measure(&installation, &arguments, &wanted, rounds).await;
    installation.close().await?;
    let lines = measured?;
    println!();
    table::print(&lines);
    if arguments.record {
        record::append(&machine, rounds, &lines)?;
    }
    Ok(())
}

async fn measure(
    installation: &Installation,
    arguments: &Arguments,
    wanted: &[What],
    rounds: Rounds,
) -> Result<Vec<Line>, Failure> {
    floor::prepare(installation).await?;
    let mut lines = Vec::new();
    for what in wanted {
        let more = match what {
            What::CheckoutOneTenant => pairs::checkout_one_tenant(installation, rounds).await?,
            What::Numbering => numbering::compare(installation, rounds).await?,
            What::ActivateOne => pairs::activate_one(installation, rounds).await?,
            What::ActivateMany => pairs::activate_many(installation, rounds).await?,
            What::WebhookStorm => pairs::webhook_storm(installation, rounds).await?,
            What::Latency => latency::at_half_of_peak(installation, rounds).await?,
            What::OneAlone => one_alone::compare(installation, rounds).await?,
            What::Overload => overload::at_twice_the_peak(installation, rounds).await?,
            What::Process => process::measure(installation, rounds).await?,
            What::Scale => scale::compare(wishes(arguments)?, arguments, rounds).await?,
        };
        table::print(&more);
        lines.extend(more);
    }
    Ok(lines)
}

fn wishes(arguments: &Arguments) -> Result<[OwnWishes; 2], Failure> {
    Ok([arguments.own.wishes(1)?, arguments.own.wishes(1)?])
}

/// Runs one round of the service, and sees to it that its promises held.
async fn service_round(
    installation: &Installation,
    workload: std::rc::Rc<dyn Workload>,
    load: Load,
) -> Result<Measured, Failure> {
    let measured = load::run(installation, std::rc::Rc::clone(&workload), load).await?;
    for promise in promises(installation, &*workload, &measured).await? {
        if !promise.holds {
            return Err(format!("broken: {} ({})", promise.what, promise.found).into());
        }
    }
    if measured.exhausted {
        eprintln!(
            "note: a round ended early, after {:.1} s: nothing was left to ask for",
            measured.elapsed.as_secs_f64()
        );
    }
    // The mails that this round called for must not be delivered at the other side's expense.
    sqlx::query("UPDATE outbox_messages SET next_attempt_at = 'infinity' WHERE status = 'PENDING'")
        .execute(&installation.pool)
        .await?;
    Ok(measured)
}

/// The ratio of each round, and of the medians.
fn ratio_line(what: &str, ours: &[f64], floor: &[f64], mark: Option<f64>) -> Line {
    let ratios: Vec<f64> = ours.iter().zip(floor).map(|(ours, floor)| ours / floor).collect();
    Line {
        what: what.to_owned(),
        unit: "/s",
        ours: Spread::of(ours),
        other: Some(Spread::of(floor)),
        ratio: Some(Spread::of(&ratios)),
        bound: mark.map(Bound::AtLeastTimes),
    }
}
