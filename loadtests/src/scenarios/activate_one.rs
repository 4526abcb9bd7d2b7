use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::{Installation, Shop};
use crate::invariants::Promise;
use crate::load::{Ticket, Workload};
use crate::stock;

pub struct ActivateOne {
    shop: Shop,
    request: Template,
    key: String,
    asked: Cell<u64>,
    /// The devices that were told that they made the activation.
    made: RefCell<Vec<u64>>,
}

fn device(number: u64) -> String {
    format!("device-{number}")
}

impl ActivateOne {
    pub async fn prepare(installation: &Installation) -> Result<Self, Failure> {
        let shop = installation.open_shop().await?;
        stock::licences(&installation.pool, &shop, 1).await?;
        installation.settle().await?;
        let request = Template::post("/api/licences/activate", &shop.host);
        let (asked, made) = (Cell::new(0), RefCell::default());
        Ok(Self { shop, request, key: stock::licence_key(0), asked, made })
    }
}

impl Workload for ActivateOne {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["activate"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let number = self.asked.replace(self.asked.get() + 1);
        let body = format!(
            r#"{{"licKey":"{}","fingerprint":"{}","deviceName":"Laptop"}}"#,
            self.key,
            device(number)
        );
        self.request.write(request, body.as_bytes());
        Some(Ticket { kind: 0, number })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        if answer.status == 201 {
            self.made.borrow_mut().push(ticket.number);
        }
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let active: Vec<String> = sqlx::query_scalar(
                "SELECT fingerprint FROM activations WHERE tenant_id = $1 AND deactivated_at IS NULL",
            )
            .bind(self.shop.tenant_id)
            .fetch_all(&installation.pool)
            .await?;
            let made: Vec<String> = self.made.borrow().iter().map(|number| device(*number)).collect();
            let (actives, makers) = (active.len(), made.len());
            Ok(vec![
                Promise::new("the licence has one active activation", actives == 1, actives.to_string()),
                Promise::new("exactly one device was answered 201", makers == 1, makers.to_string()),
                Promise::new("it is the active one", active == made, format!("{active:?}")),
            ])
        }
        .boxed_local()
    }
}
