use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::{Customer, Installation, Shop};
use crate::invariants::{Promise, acknowledged};
use crate::load::{Ticket, Workload};

const BODY: &[u8] = br#"{"items":[{"sku":"editor","quantity":1}]}"#;

/// Customers of one or many shops who start checkouts.
pub struct Checkouts {
    buyers: Vec<(Shop, Template)>,
    asked: Cell<u64>,
    /// The invoices that were promised, by buyer.
    invoices: Vec<RefCell<Vec<String>>>,
}

impl Checkouts {
    pub fn new(buyers: Vec<(Shop, Customer)>) -> Self {
        let invoices = buyers.iter().map(|_| RefCell::default()).collect();
        let buyers = buyers
            .into_iter()
            .map(|(shop, customer)| {
                let request =
                    Template::post("/api/checkout/start", &shop.host).header("cookie", &customer.cookie);
                (shop, request)
            })
            .collect();
        Self { buyers, asked: Cell::new(0), invoices }
    }
}

impl Workload for Checkouts {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["checkout"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let asked = self.asked.replace(self.asked.get() + 1);
        let buyer = asked % self.buyers.len() as u64;
        self.buyers.get(usize::try_from(buyer).ok()?)?.1.write(request, BODY);
        Some(Ticket { kind: 0, number: buyer })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        if answer.status == 201
            && let Some(invoice) = answer.text_field("invoiceNumber")
        {
            self.invoices[ticket.number as usize].borrow_mut().push(invoice.to_owned());
        }
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let (mut missing, mut told) = (0, 0);
            for ((shop, _), invoices) in self.buyers.iter().zip(&self.invoices) {
                let invoices = invoices.borrow().clone();
                told += invoices.len();
                let promise = acknowledged(
                    &installation.pool,
                    "invoices",
                    "SELECT count(DISTINCT i.number) FROM unnest($2::text[]) AS told (number)
                     JOIN invoices i ON i.tenant_id = $1 AND i.number = told.number
                     JOIN payments p ON p.tenant_id = $1 AND p.order_id = i.order_id
                          AND p.provider_session_id IS NOT NULL
                     JOIN payment_refs r ON r.provider = 'STRIPE' AND r.ref = p.provider_session_id",
                    shop.tenant_id,
                    &invoices,
                )
                .await?;
                missing += i64::from(!promise.holds);
            }
            let what = "each acknowledged checkout has an invoice of its own, and its session can be found";
            Ok(vec![Promise::new(what, missing == 0, format!("{told} invoices, {missing} buyers miss some"))])
        }
        .boxed_local()
    }
}
