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

const LICENCES: u64 = 20_000;
const ACTIVATE: usize = 0;
const DEACTIVATE: usize = 1;

/// Each client takes a free licence, leaves it, and goes on to another: the same work however many licences there are.
pub struct MoveMany {
    population: Population,
    activate: Vec<Template>,
    deactivate: Vec<Template>,
    random: RefCell<SmallRng>,
    /// The licence that each client's device has.
    holding: Vec<Cell<Option<u64>>>,
    lost: Cell<u64>,
}

impl MoveMany {
    pub async fn prepare(installation: &Installation, clients: usize) -> Result<Self, Failure> {
        Ok(Self::among(own_population(installation, LICENCES, true).await?, clients))
    }

    pub fn among(population: Population, clients: usize) -> Self {
        let requests = |path: &str| -> Vec<Template> {
            population.hosts().iter().map(|host| Template::post(path, host)).collect()
        };
        Self {
            activate: requests("/api/licences/activate"),
            deactivate: requests("/api/licences/deactivate"),
            random: RefCell::new(SmallRng::seed_from_u64(2)),
            holding: (0..clients).map(|_| Cell::new(None)).collect(),
            lost: Cell::new(0),
            population,
        }
    }

    /// A licence that no device had at the start, of those that are this client's alone.
    fn free_licence(&self, client: usize) -> u64 {
        let clients = self.holding.len() as u64;
        let each = (self.population.free_licences() / clients).max(1);
        let turn = self.random.borrow_mut().random_range(0..each);
        self.population.free_licence(client as u64 + clients * turn)
    }
}

impl Workload for MoveMany {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["activate", "deactivate"]
    }

    fn next(&self, client: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let (kind, number) = match self.holding[client].get() {
            Some(number) => (DEACTIVATE, number),
            None => (ACTIVATE, self.free_licence(client)),
        };
        let templates = if kind == ACTIVATE { &self.activate } else { &self.deactivate };
        let key = Population::key_of(number);
        let body = format!(r#"{{"licKey":"{key}","fingerprint":"mover-{client:06}"}}"#);
        templates[self.population.shop_of(number)].write(request, body.as_bytes());
        // The client rides along: the answer is for it.
        Some(Ticket { kind, number: (client as u64) << 40 | number })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        let number = ticket.number & ((1 << 40) - 1);
        let Some(holding) = self.holding.get((ticket.number >> 40) as usize) else { return };
        match (ticket.kind, answer.status) {
            (ACTIVATE, 200 | 201) => holding.set(Some(number)),
            (DEACTIVATE, 200) => holding.set(None),
            // It was answered that the device has it.
            (DEACTIVATE, 400..500) => self.lost.set(self.lost.get() + 1),
            _ => {}
        }
    }

    fn promises<'a>(&'a self, _: &'a Installation) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        let lost = self.lost.get();
        async move {
            Ok(vec![Promise::without("no device lost a licence that it was given", i64::try_from(lost)?)])
        }
        .boxed_local()
    }
}
