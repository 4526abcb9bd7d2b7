//! The numbering path alone: messages to the actor that numbers, in this process, without HTTP and without the
//! provider, against the same transaction as everywhere.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use primetech_actors::ask::ask;
use primetech_actors::batch::BatchLimits;
use primetech_actors::clock::SystemClock;
use primetech_actors::counter::{Buyer, PlaceOrder, PlaceOrderError, Placed, WantedItem};
use primetech_actors::database::Database;
use primetech_actors::order::ReturnPages;
use primetech_actors::outbox::MailAllowances;
use primetech_actors::runtime::Runtime;
use primetech_actors::system::Actors;
use primetech_actors::tenancy::Resolution;
use tokio::task::JoinSet;

use super::floor::Script;
use super::table::Line;
use super::{Rounds, WARM_UP, pairs, ratio_line};
use crate::Failure;
use crate::installation::{Installation, Shop};
use crate::invariants::{acknowledged, books};

/// Messages under way: enough for full batches, and below what the queue admits.
const IN_FLIGHT: usize = 1024;

const CONNECTIONS: u32 = 24;

pub async fn compare(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let actors = start_actors(installation)?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..rounds.count {
        ours.push(round(installation, &actors, rounds).await?);
        floor.push(pairs::checkout_floor(installation, Script::Checkout, rounds).await?);
    }
    Ok(vec![ratio_line("numbering alone, in process : row-lock transaction", &ours, &floor, Some(15.0))])
}

fn start_actors(installation: &Installation) -> Result<Actors, Failure> {
    let config = installation.owned()?.config()?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let database = Database::connect_lazy(&config.database_url, CONNECTIONS)?;
    let runtime = Runtime::start(database, Arc::new(SystemClock), threads, BatchLimits::default());
    Ok(Actors::start(&runtime, MailAllowances::unlimited()))
}

/// Orders placed a second.
async fn round(installation: &Installation, actors: &Actors, rounds: Rounds) -> Result<f64, Failure> {
    let shop = installation.open_shop().await?;
    let customer = shop.register(installation).await?;
    installation.settle().await?;
    let Resolution::Active(tenant) = actors.tenants.resolve(&shop.host).await? else {
        return Err("the shop is not known".into());
    };
    let buyer =
        Buyer { scope: tenant.scope(), user_id: customer.user_id, name: None, email: customer.email.clone() };
    let (placed, numbers) = (Rc::new(Cell::new(0_u64)), Rc::new(std::cell::RefCell::new(Vec::new())));
    let begun = Instant::now();
    let ends = begun + WARM_UP + rounds.length;
    let mut clients = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (actors, buyer) = (actors.clone(), buyer.clone());
        let (placed, numbers) = (Rc::clone(&placed), Rc::clone(&numbers));
        clients.spawn_local(async move {
            while Instant::now() < ends {
                let items = vec![WantedItem { sku: "editor".to_owned(), quantity: 1 }];
                let message = PlaceOrder {
                    buyer: buyer.clone(),
                    items,
                    returns: ReturnPages {
                        success_url: "https://shop.example/thanks".to_owned(),
                        cancel_url: "https://shop.example/cart".to_owned(),
                    },
                    may_return: true,
                    claim: None,
                };
                let answer: Result<Placed, PlaceOrderError> =
                    ask(actors.counters.of(&buyer.scope), message).await;
                placed.set(placed.get() + 1);
                numbers.borrow_mut().push(answer?.invoice.number);
            }
            Ok::<_, Failure>(())
        });
    }
    tokio::time::sleep(WARM_UP).await;
    let (warm, counted_from) = (placed.get(), Instant::now());
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let per_second = (placed.get() - warm) as f64 / counted_from.elapsed().as_secs_f64();
    eprintln!("  numbering: {per_second:.0}/s");
    check(installation, &shop, &numbers.take()).await?;
    Ok(per_second)
}

/// Each number that was given out is there, and no other.
async fn check(installation: &Installation, shop: &Shop, numbers: &[String]) -> Result<(), Failure> {
    let present = "SELECT count(DISTINCT i.number) FROM unnest($2::text[]) AS told (number)
                   JOIN invoices i ON i.tenant_id = $1 AND i.number = told.number";
    let mut promises = books(&mut *installation.pool.acquire().await?).await?;
    promises
        .push(acknowledged(&installation.pool, "numbers given out", present, shop.tenant_id, numbers).await?);
    match promises.iter().find(|promise| !promise.holds) {
        Some(broken) => Err(format!("broken: {} ({})", broken.what, broken.found).into()),
        None => Ok(()),
    }
}
