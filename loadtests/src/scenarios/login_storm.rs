use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::Failure;
use crate::http::{Answer, SetupClient, Template};
use crate::installation::{Customer, Installation, Shop};
use crate::invariants::Promise;
use crate::load::{Ticket, Workload};

const CUSTOMERS: usize = 8;
const RIGHT: usize = 0;
const WRONG_PASSWORD: usize = 1;
const UNKNOWN: usize = 2;

/// How many of the new sessions are tried out at the end.
const TRIED: usize = 100;

pub struct LoginStorm {
    shop: Shop,
    customers: Vec<Customer>,
    request: Template,
    asked: Cell<u64>,
    cookies: RefCell<Vec<String>>,
    let_in: Cell<u64>,
    shut_out: Cell<u64>,
}

impl LoginStorm {
    pub async fn prepare(installation: &Installation) -> Result<Self, Failure> {
        let shop = installation.open_shop().await?;
        let mut customers = Vec::with_capacity(CUSTOMERS);
        for _ in 0..CUSTOMERS {
            customers.push(shop.register(installation).await?);
        }
        installation.settle().await?;
        Ok(Self {
            request: Template::post("/api/auth/login", &shop.host),
            shop,
            customers,
            asked: Cell::new(0),
            cookies: RefCell::default(),
            let_in: Cell::new(0),
            shut_out: Cell::new(0),
        })
    }
}

impl Workload for LoginStorm {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["right", "wrong password", "unknown address"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let number = self.asked.replace(self.asked.get() + 1);
        let customer = &self.customers[number as usize % self.customers.len()];
        // One in ten is wrong, of either sort.
        let kind = match number % 20 {
            7 => WRONG_PASSWORD,
            13 => UNKNOWN,
            _ => RIGHT,
        };
        let email = if kind == UNKNOWN { "nobody@example.com" } else { &customer.email };
        let password =
            if kind == WRONG_PASSWORD { "another horse battery staple" } else { customer.password };
        let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
        self.request.write(request, body.as_bytes());
        Some(Ticket { kind, number })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        match (ticket.kind, answer.status) {
            (RIGHT, 200) => {
                let head = String::from_utf8_lossy(answer.head);
                let cookie = head.split_once("session=").and_then(|(_, rest)| rest.split(';').next());
                self.cookies.borrow_mut().extend(cookie.map(|token| format!("session={token}")));
            }
            (RIGHT, 400..500) => self.shut_out.set(self.shut_out.get() + 1),
            (WRONG_PASSWORD | UNKNOWN, 200) => self.let_in.set(self.let_in.get() + 1),
            _ => {}
        }
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let cookies = self.cookies.borrow().clone();
            let target = installation.targets.last().ok_or("no process serves")?;
            let mut client = SetupClient::open(*target).await?;
            let tried = &cookies[cookies.len().saturating_sub(TRIED)..];
            let mut good = 0;
            for cookie in tried {
                let me = Template::get("/api/auth/me", &self.shop.host).header("cookie", cookie);
                good += usize::from(client.call(&me, &serde_json::Value::Null).await?.status == 200);
            }
            let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE tenant_id = $1")
                .bind(self.shop.tenant_id)
                .fetch_one(&installation.pool)
                .await?;
            let wanted = i64::try_from(cookies.len() + self.customers.len())?;
            Ok(vec![
                Promise::new(
                    "each login that was answered 200 has a session",
                    sessions >= wanted,
                    format!("{sessions} sessions for {wanted}"),
                ),
                Promise::new(
                    "the last sessions are good",
                    good == tried.len(),
                    format!("{good} of {}", tried.len()),
                ),
                Promise::without("nobody came in by a wrong password", i64::try_from(self.let_in.get())?),
                Promise::without("no right password was refused", i64::try_from(self.shut_out.get())?),
            ])
        }
        .boxed_local()
    }
}
