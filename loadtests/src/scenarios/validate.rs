use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::own_population;
use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::Installation;
use crate::invariants::Promise;
use crate::load::{Ticket, Workload};
use crate::stock::Population;

/// Enough that neither a batch nor the database's memory holds them all for long.
const LICENCES: u64 = 20_000;

/// One in so many asks for another device than the active one.
const STRANGERS: u64 = 10;

pub struct Validate {
    population: Population,
    requests: Vec<Template>,
    random: RefCell<SmallRng>,
    wrong: Cell<u64>,
}

impl Validate {
    pub async fn prepare(installation: &Installation) -> Result<Self, Failure> {
        Ok(Self::among(own_population(installation, LICENCES, true).await?))
    }

    pub fn among(population: Population) -> Self {
        let request = |host: &String| Template::post("/api/licences/validate", host);
        let requests = population.hosts().iter().map(request).collect();
        // The same draws in each run: what is measured differs in nothing else.
        let random = RefCell::new(SmallRng::seed_from_u64(1));
        Self { population, requests, random, wrong: Cell::new(0) }
    }

    fn is_stranger(number: u64) -> bool {
        number.is_multiple_of(STRANGERS)
    }
}

impl Workload for Validate {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["validate"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let number = self.random.borrow_mut().random_range(0..self.population.licences());
        let device = if Self::is_stranger(number) { "stranger" } else { "device" };
        let key = Population::key_of(number);
        let body = format!(r#"{{"licKey":"{key}","fingerprint":"{device}-{number}"}}"#);
        self.requests[self.population.shop_of(number)].write(request, body.as_bytes());
        Some(Ticket { kind: 0, number })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        let expected = match (self.population.has_device(ticket.number), Self::is_stranger(ticket.number)) {
            (true, false) => "VALID",
            (true, true) => "FINGERPRINT_MISMATCH",
            (false, _) => "NOT_ACTIVATED",
        };
        if answer.status == 200 && answer.text_field("code") != Some(expected) {
            self.wrong.set(self.wrong.get() + 1);
        }
    }

    fn promises<'a>(&'a self, _: &'a Installation) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        let wrong = self.wrong.get();
        async move { Ok(vec![Promise::without("each validation told the truth", i64::try_from(wrong)?)]) }
            .boxed_local()
    }
}
