use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::{Installation, Shop};
use crate::invariants::{Promise, acknowledged};
use crate::load::{Ticket, Workload};
use crate::stock;

pub struct ActivateMany {
    shop: Shop,
    request: Template,
    licences: u64,
    asked: Cell<u64>,
    made: RefCell<Vec<u64>>,
    refused: Cell<u64>,
}

impl ActivateMany {
    pub async fn prepare(installation: &Installation, licences: u64) -> Result<Self, Failure> {
        let shop = installation.open_shop().await?;
        stock::licences(&installation.pool, &shop, licences).await?;
        installation.settle().await?;
        let request = Template::post("/api/licences/activate", &shop.host);
        let asked = Cell::new(0);
        Ok(Self { shop, request, licences, asked, made: RefCell::default(), refused: Cell::new(0) })
    }
}

impl Workload for ActivateMany {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["activate"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let number = self.asked.get();
        if number == self.licences {
            return None;
        }
        self.asked.set(number + 1);
        let key = stock::licence_key(number);
        let body = format!(r#"{{"licKey":"{key}","fingerprint":"device-{number}","deviceName":"Laptop"}}"#);
        self.request.write(request, body.as_bytes());
        Some(Ticket { kind: 0, number })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        match answer.status {
            201 => self.made.borrow_mut().push(ticket.number),
            400..500 => self.refused.set(self.refused.get() + 1),
            _ => {}
        }
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let expected: Vec<String> = self
                .made
                .borrow()
                .iter()
                .map(|number| format!("{} device-{number}", stock::licence_key(*number)))
                .collect();
            let present = acknowledged(
                &installation.pool,
                "each acknowledged activation is there, for its device",
                "SELECT count(*) FROM unnest($2::text[]) AS told (activation)
                 JOIN licences l ON l.tenant_id = $1 AND l.key = split_part(told.activation, ' ', 1)
                 JOIN activations a ON a.tenant_id = $1 AND a.licence_id = l.id AND a.deactivated_at IS NULL
                      AND a.fingerprint = split_part(told.activation, ' ', 2)",
                self.shop.tenant_id,
                &expected,
            )
            .await?;
            let refused = i64::try_from(self.refused.get())?;
            Ok(vec![present, Promise::without("no device was refused a free licence", refused)])
        }
        .boxed_local()
    }
}
