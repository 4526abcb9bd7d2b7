use std::cell::Cell;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::activate_many::ActivateMany;
use super::browse::Browse;
use super::validate::Validate;
use super::webhook_storm::WebhookStorm;
use super::{checkout_many_tenants, needed};
use crate::Failure;
use crate::http::Answer;
use crate::installation::Installation;
use crate::invariants::Promise;
use crate::load::{Load, Ticket, Workload};

/// Beyond what this kind of machine does of all of it together.
const GUESSED_RATE: f64 = 12_000.0;

/// Several workloads, each with its share of the requests.
pub struct Mixed {
    parts: Vec<Rc<dyn Workload>>,
    /// Which part each of a hundred requests is of.
    turns: Vec<usize>,
    asked: Cell<usize>,
    first_kinds: Vec<usize>,
}

impl Mixed {
    pub async fn prepare(installation: &Installation, load: &Load) -> Result<Self, Failure> {
        let share = |percent: u64| needed(load, GUESSED_RATE) * percent / 100 + 1;
        let shop = installation.open_shop().await?;
        let customer = shop.register(installation).await?;
        let parts: Vec<(usize, Rc<dyn Workload>)> = vec![
            (60, Rc::new(Validate::prepare(installation).await?)),
            (10, Rc::new(ActivateMany::prepare(installation, share(10)).await?)),
            (10, Rc::new(checkout_many_tenants::prepare(installation).await?)),
            (10, Rc::new(WebhookStorm::prepare(installation, share(10)).await?)),
            (10, Rc::new(Browse::new(&shop, &customer))),
        ];
        Ok(Self::of(parts))
    }

    fn of(shares: Vec<(usize, Rc<dyn Workload>)>) -> Self {
        let (mut turns, mut first_kinds, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut kinds = 0;
        for (at, (share, part)) in shares.into_iter().enumerate() {
            turns.extend(std::iter::repeat_n(at, share));
            first_kinds.push(kinds);
            kinds += part.kinds().len();
            parts.push(part);
        }
        Self { parts, turns, asked: Cell::new(0), first_kinds }
    }

    fn part_of(&self, kind: usize) -> usize {
        self.first_kinds.partition_point(|first| *first <= kind) - 1
    }
}

impl Workload for Mixed {
    fn kinds(&self) -> Vec<&'static str> {
        self.parts.iter().flat_map(|part| part.kinds()).collect()
    }

    fn next(&self, client: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let asked = self.asked.replace(self.asked.get() + 1);
        // 37 shares no divisor with 100: the parts take turns instead of coming in blocks.
        let part = self.turns[asked * 37 % self.turns.len()];
        let ticket = self.parts[part].next(client, request)?;
        Some(Ticket { kind: ticket.kind + self.first_kinds[part], ..ticket })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        let part = self.part_of(ticket.kind);
        self.parts[part].answered(Ticket { kind: ticket.kind - self.first_kinds[part], ..ticket }, answer);
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let mut promises = Vec::new();
            for part in &self.parts {
                promises.extend(part.promises(installation).await?);
            }
            Ok(promises)
        }
        .boxed_local()
    }
}
