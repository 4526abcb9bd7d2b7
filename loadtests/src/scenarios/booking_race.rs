use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::{Customer, Installation, Shop};
use crate::invariants::Promise;
use crate::load::{Ticket, Workload};
use crate::stock;

/// Admins who confirm each booking, as good as at the same time.
const RACERS: u64 = 4;

pub struct BookingRace {
    shop: Shop,
    admins: Vec<Customer>,
    bookings: u64,
    asked: Cell<u64>,
    /// For each booking, how often a racer was answered that it won.
    wins: RefCell<Vec<u8>>,
}

impl BookingRace {
    pub async fn prepare(installation: &Installation, moves: u64) -> Result<Self, Failure> {
        let shop = installation.open_shop().await?;
        let mut admins = Vec::new();
        for _ in 0..RACERS {
            admins.push(shop.register_admin(installation).await?);
        }
        let bookings = moves.div_ceil(RACERS);
        stock::bookings(&installation.pool, &shop, bookings).await?;
        installation.settle().await?;
        let wins = RefCell::new(vec![0; usize::try_from(bookings)?]);
        Ok(Self { shop, admins, bookings, asked: Cell::new(0), wins })
    }
}

impl Workload for BookingRace {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["confirm"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let asked = self.asked.get();
        let booking = asked / RACERS;
        if booking == self.bookings {
            return None;
        }
        self.asked.set(asked + 1);
        let admin = &self.admins[(asked % RACERS) as usize];
        let path = format!("/api/admin/bookings/{}", stock::booking_ref(booking));
        let template = Template::with_body("PATCH", &path, &self.shop.host).header("cookie", &admin.cookie);
        template.write(request, br#"{"status":"CONFIRMED"}"#);
        Some(Ticket { kind: 0, number: booking })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        if answer.status == 200 {
            self.wins.borrow_mut()[ticket.number as usize] += 1;
        }
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let wins = self.wins.borrow().clone();
            let twice = wins.iter().filter(|wins| **wins > 1).count();
            let won = wins.iter().filter(|wins| **wins > 0).count();
            let confirmed: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM bookings WHERE tenant_id = $1 AND status = 'CONFIRMED'",
            )
            .bind(self.shop.tenant_id)
            .fetch_one(&installation.pool)
            .await?;
            let moved: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM booking_events WHERE tenant_id = $1 AND to_status = 'CONFIRMED'",
            )
            .bind(self.shop.tenant_id)
            .fetch_one(&installation.pool)
            .await?;
            Ok(vec![
                Promise::without("of those who confirm one booking, one wins", i64::try_from(twice)?),
                Promise::new(
                    "each win is written, and no booking is confirmed twice",
                    confirmed >= i64::try_from(won)? && confirmed == moved,
                    format!("{won} wins, {confirmed} confirmed, {moved} events"),
                ),
            ])
        }
        .boxed_local()
    }
}
