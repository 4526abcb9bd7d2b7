use std::cell::Cell;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::{Customer, Shop};
use crate::invariants::Promise;
use crate::load::{Ticket, Workload};

const PAGES: &[(&str, &str)] = &[
    ("me", "/api/auth/me"),
    ("orders", "/api/orders"),
    ("licences", "/api/licences"),
    ("releases", "/api/releases"),
];

/// Customers who look at their pages.
pub struct Browse {
    requests: Vec<Template>,
    asked: Cell<usize>,
    refused: Cell<i64>,
}

impl Browse {
    pub fn new(shop: &Shop, customer: &Customer) -> Self {
        let request =
            |(_, path): &(&str, &str)| Template::get(path, &shop.host).header("cookie", &customer.cookie);
        Self { requests: PAGES.iter().map(request).collect(), asked: Cell::new(0), refused: Cell::new(0) }
    }
}

impl Workload for Browse {
    fn kinds(&self) -> Vec<&'static str> {
        PAGES.iter().map(|(name, _)| *name).collect()
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let kind = self.asked.replace(self.asked.get() + 1) % self.requests.len();
        self.requests[kind].write(request, b"");
        Some(Ticket { kind, number: 0 })
    }

    fn answered(&self, _: Ticket, answer: &Answer<'_>) {
        if (400..500).contains(&answer.status) {
            self.refused.set(self.refused.get() + 1);
        }
    }

    fn promises<'a>(
        &'a self,
        _: &'a crate::installation::Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        let refused = self.refused.get();
        async move { Ok(vec![Promise::without("every page was shown to its customer", refused)]) }
            .boxed_local()
    }
}
