//! Whether size slows it down: the same work on many licences and tenants, and on few, in two installations that take
//! turns.

use std::rc::Rc;
use std::time::Duration;

use super::table::{Bound, Line};
use super::{Arguments, Rounds, Spread, service_round};
use crate::Failure;
use crate::installation::{Installation, OwnWishes};
use crate::load::{Load, Workload};
use crate::scenarios::{MoveMany, Validate};
use crate::seed::{Amount, fill};
use crate::stock::Population;

/// The smaller side: as many licences a tenant as on the larger one by default.
const FEW_TENANTS: u64 = 10;
const FEW_LICENCES: u64 = 1_000;

const MARK: f64 = 0.85;

/// Each tenant is looked up once before it is known.
const WARM_UP: Duration = Duration::from_secs(4);

struct Side {
    installation: Installation,
    population: Population,
}

pub async fn compare(
    wishes: [OwnWishes; 2],
    arguments: &Arguments,
    rounds: Rounds,
) -> Result<Vec<Line>, Failure> {
    let [few, many] = wishes;
    let few = Side::open(few, Amount::new(FEW_TENANTS, FEW_LICENCES, None)).await?;
    let many = match Side::open(many, Amount::new(arguments.tenants, arguments.licences, None)).await {
        Ok(many) => many,
        Err(failure) => {
            few.installation.close().await?;
            return Err(failure);
        }
    };
    let lines = both(&few, &many, arguments, rounds).await;
    few.installation.close().await?;
    many.installation.close().await?;
    lines
}

async fn both(few: &Side, many: &Side, arguments: &Arguments, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for name in ["validate", "move-many"] {
        let (mut of_many, mut of_few, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds.count {
            let large = many.round(name, rounds).await?;
            let small = few.round(name, rounds).await?;
            eprintln!("  {name}: {large:.0}/s of many, {small:.0}/s of few");
            of_many.push(large);
            of_few.push(small);
            ratios.push(large / small);
        }
        let (licences, tenants) = (arguments.licences, arguments.tenants);
        lines.push(Line {
            what: format!("{name}: {licences} licences, {tenants} tenants : 1000, 10"),
            unit: "/s",
            ours: Spread::of(&of_many),
            other: Some(Spread::of(&of_few)),
            ratio: Some(Spread::of(&ratios)),
            bound: Some(Bound::AtLeastTimes(MARK)),
        });
    }
    Ok(lines)
}

impl Side {
    async fn open(wishes: OwnWishes, amount: Amount) -> Result<Self, Failure> {
        let installation = Installation::own(wishes).await?;
        fill(&installation.pool, amount, false).await?;
        let population = Population::seeded(amount.tenants, amount.licences);
        Ok(Self { installation, population })
    }

    async fn round(&self, name: &str, rounds: Rounds) -> Result<f64, Failure> {
        let load = Load { warm_up: WARM_UP, ..rounds.load(None) };
        let population = self.population.clone();
        let workload: Rc<dyn Workload> = match name {
            "validate" => Rc::new(Validate::among(population)),
            _ => Rc::new(MoveMany::among(population, load.clients)),
        };
        self.installation.settle().await?;
        Ok(service_round(&self.installation, workload, load).await?.goodput())
    }
}
