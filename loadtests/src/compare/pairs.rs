//! Scenarios over HTTP, each beside its script.

use super::floor::{self, Script};
use super::table::Line;
use super::{Rounds, WARM_UP, ratio_line, service_round};
use crate::Failure;
use crate::installation::Installation;
use crate::scenarios::Scenario;
use crate::stock;

/// More than the other side does of anything in a second, on this kind of machine.
const FLOOR_RATE: u64 = 9_000;

/// One round of the service: what it did in a second.
async fn service(installation: &Installation, scenario: Scenario, rounds: Rounds) -> Result<f64, Failure> {
    let load = rounds.load(None);
    let workload = scenario.prepare(installation, &load).await?;
    let measured = service_round(installation, workload, load).await?;
    eprintln!("  {}: {:.0}/s; {}", scenario.name(), measured.goodput(), cores(&measured));
    Ok(measured.goodput())
}

fn cores(measured: &crate::load::Measured) -> String {
    let cores = measured.cpu.cores(measured.elapsed);
    cores.iter().map(|(part, cores)| format!("{part} {cores:.2}")).collect::<Vec<_>>().join(", ")
}

pub async fn checkout_one_tenant(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let (mut ours, mut one, mut two) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.count {
        ours.push(service(installation, Scenario::CheckoutOneTenant, rounds).await?);
        one.push(checkout_floor(installation, Script::Checkout, rounds).await?);
        two.push(checkout_floor(installation, Script::CheckoutAndSession, rounds).await?);
    }
    Ok(vec![
        ratio_line("checkout-one-tenant : row-lock transaction", &ours, &one, Some(2.0)),
        ratio_line("checkout-one-tenant : the same, and the session's", &ours, &two, None),
    ])
}

/// Orders of one shop, in transactions a second.
pub async fn checkout_floor(
    installation: &Installation,
    script: Script,
    rounds: Rounds,
) -> Result<f64, Failure> {
    let shop = installation.open_shop().await?;
    let customer = shop.register(installation).await?;
    floor::open_counters(installation, &shop).await?;
    installation.settle().await?;
    let user = ("user", customer.user_id.to_string());
    let ran = floor::run(installation, &shop, script, &[user], rounds.length + WARM_UP).await?;
    eprintln!("  {script:?}: {:.0}/s", ran.per_second);
    Ok(ran.per_second)
}

pub async fn activate_one(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..rounds.count {
        ours.push(service(installation, Scenario::ActivateOne, rounds).await?);
        floor.push(activation_floor(installation, 1, true, rounds).await?);
    }
    Ok(vec![ratio_line("activate-one : SELECT … FOR UPDATE", &ours, &floor, Some(3.0))])
}

pub async fn activate_many(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let (mut ours, mut floor, mut unaudited) = (Vec::new(), Vec::new(), Vec::new());
    let licences = FLOOR_RATE * (rounds.length + WARM_UP).as_secs();
    for _ in 0..rounds.count {
        ours.push(service(installation, Scenario::ActivateMany, rounds).await?);
        floor.push(activation_floor(installation, licences, true, rounds).await?);
        unaudited.push(activation_floor(installation, licences, false, rounds).await?);
    }
    Ok(vec![
        ratio_line("activate-many : SELECT … FOR UPDATE, distinct rows", &ours, &floor, Some(2.0)),
        ratio_line("activate-many : the same without its audit log", &ours, &unaudited, None),
    ])
}

async fn activation_floor(
    installation: &Installation,
    licences: u64,
    audited: bool,
    rounds: Rounds,
) -> Result<f64, Failure> {
    let shop = installation.open_shop().await?;
    stock::licences(&installation.pool, &shop, licences).await?;
    installation.settle().await?;
    let variables =
        [("stride", u8::from(licences > 1).to_string()), ("audited", u8::from(audited).to_string())];
    let ran = floor::run(installation, &shop, Script::Activate, &variables, rounds.length + WARM_UP).await?;
    if licences > 1 && ran.transactions > licences {
        return Err("pgbench ran out of licences".into());
    }
    eprintln!("  {licences} licences, audited: {audited}: {:.0}/s", ran.per_second);
    Ok(ran.per_second)
}

pub async fn webhook_storm(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..rounds.count {
        ours.push(service(installation, Scenario::WebhookStorm, rounds).await?);
        floor.push(paid_floor(installation, rounds).await?);
    }
    Ok(vec![ratio_line("webhook-storm : paid transaction, the same events", &ours, &floor, Some(3.0))])
}

async fn paid_floor(installation: &Installation, rounds: Rounds) -> Result<f64, Failure> {
    // In blocks of 600 deliveries of 200 events: see the script.
    let blocks = (FLOOR_RATE * (rounds.length + WARM_UP).as_secs()).div_ceil(600);
    let shop = installation.open_shop().await?;
    let customer = shop.register(installation).await?;
    stock::pending_orders(&installation.pool, &shop, &customer, blocks * 200).await?;
    floor::open_counters(installation, &shop).await?;
    installation.settle().await?;
    let ran = floor::run(installation, &shop, Script::Paid, &[], rounds.length + WARM_UP).await?;
    // Clients that are ahead of the others may have asked for more than were done.
    if ran.transactions > (blocks - 2) * 600 {
        return Err("pgbench ran out of events".into());
    }
    eprintln!("  Paid: {:.0}/s", ran.per_second);
    Ok(ran.per_second)
}
