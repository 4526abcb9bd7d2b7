use std::cell::{Cell, RefCell};
use std::fmt::Write;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use primetech_actors::clock::{Clock, SystemClock};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use crate::Failure;
use crate::http::{Answer, Template};
use crate::installation::{Installation, Shop};
use crate::invariants::{Promise, acknowledged};
use crate::load::{Ticket, Workload};
use crate::stock;

/// Each event comes one to so many times: three times on average.
const MOST_DELIVERIES: u32 = 5;

/// Events that are shuffled with each other. All deliveries of an event come soon after each other, so that a run that
/// ends before all are sent has had as many duplicates as any.
const SHUFFLED_TOGETHER: u32 = 200;

pub struct WebhookStorm {
    shop: Shop,
    request: Template,
    secret: SecretString,
    orders: Vec<Uuid>,
    /// Which event comes when.
    deliveries: Vec<u32>,
    sent: Cell<usize>,
    accepted: RefCell<Vec<bool>>,
}

impl WebhookStorm {
    pub async fn prepare(installation: &Installation, deliveries: u64) -> Result<Self, Failure> {
        let shop = installation.open_shop().await?;
        let customer = shop.register(installation).await?;
        let (order, events) = shuffled(deliveries);
        let orders = stock::pending_orders(&installation.pool, &shop, &customer, events.into()).await?;
        installation.settle().await?;
        Ok(Self {
            // The provider knows no tenant.
            request: Template::post("/api/webhooks/stripe", "api.test"),
            secret: installation.webhook_secret.clone(),
            accepted: RefCell::new(vec![false; orders.len()]),
            deliveries: order,
            sent: Cell::new(0),
            shop,
            orders,
        })
    }

    /// `checkout.session.completed`, as the provider sends it: the members that matter among those that do not.
    fn payload(&self, event: u32) -> String {
        let (tag, tenant, order) = (&self.shop.tag, self.shop.tenant_id, self.orders[event as usize]);
        let session = stock::session_id(&self.shop, event.into());
        format!(
            r#"{{"id":"evt_{tag}_{event}","object":"event","api_version":"2026-09-30","created":1790000000,"data":{{"object":{{"id":"{session}","object":"checkout.session","after_expiration":null,"allow_promotion_codes":null,"amount_subtotal":4900,"amount_total":4900,"automatic_tax":{{"enabled":false,"liability":null,"status":null}},"billing_address_collection":null,"cancel_url":"https://shop.example/cancelled","client_reference_id":"{order}","consent":null,"created":1790000000,"currency":"usd","customer":null,"customer_creation":"if_required","customer_details":{{"address":null,"email":"jane@example.com","name":"Jane","phone":null,"tax_exempt":"none","tax_ids":[]}},"expires_at":1790086400,"invoice":null,"livemode":false,"locale":null,"metadata":{{"orderId":"{order}","tenantId":"{tenant}"}},"mode":"payment","payment_intent":"pi_{tag}_{event}","payment_method_types":["card"],"payment_status":"paid","shipping_cost":null,"status":"complete","submit_type":null,"subscription":null,"success_url":"https://shop.example/success","total_details":{{"amount_discount":0,"amount_shipping":0,"amount_tax":0}},"ui_mode":"hosted_page","url":null}}}},"livemode":false,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"checkout.session.completed"}}"#
        )
    }
}

/// At least so many deliveries, as numbers of events, and how many events there are.
fn shuffled(deliveries: u64) -> (Vec<u32>, u32) {
    let mut random = SmallRng::seed_from_u64(3);
    let mut order: Vec<u32> = Vec::new();
    let mut events = 0;
    while (order.len() as u64) < deliveries {
        let mut together: Vec<u32> = (events..events + SHUFFLED_TOGETHER)
            .flat_map(|event| std::iter::repeat_n(event, random.random_range(1..=MOST_DELIVERIES) as usize))
            .collect();
        together.shuffle(&mut random);
        order.extend(together);
        events += SHUFFLED_TOGETHER;
    }
    (order, events)
}

/// `stripe-signature`, as the provider makes it.
fn signature_line(secret: &SecretString, payload: &str) -> String {
    let now = SystemClock.now().timestamp();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        // HMAC takes keys of every length; an event without a signature is refused.
        return String::new();
    };
    mac.update(format!("{now}.").as_bytes());
    mac.update(payload.as_bytes());
    let mut line = format!("stripe-signature: t={now},v1=");
    for byte in mac.finalize().into_bytes() {
        // Writing to memory does not fail.
        let _written = write!(line, "{byte:02x}");
    }
    line.push_str("\r\n");
    line
}

impl Workload for WebhookStorm {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["event"]
    }

    fn next(&self, _: usize, request: &mut Vec<u8>) -> Option<Ticket> {
        let sent = self.sent.get();
        let event = *self.deliveries.get(sent)?;
        self.sent.set(sent + 1);
        let payload = self.payload(event);
        let signature = signature_line(&self.secret, &payload);
        self.request.write_with(request, signature.as_bytes(), payload.as_bytes());
        Some(Ticket { kind: 0, number: event.into() })
    }

    fn answered(&self, ticket: Ticket, answer: &Answer<'_>) {
        if answer.status == 200 {
            self.accepted.borrow_mut()[ticket.number as usize] = true;
        }
    }

    fn promises<'a>(
        &'a self,
        installation: &'a Installation,
    ) -> LocalBoxFuture<'a, Result<Vec<Promise>, Failure>> {
        async move {
            let accepted: Vec<String> = (0..)
                .zip(self.accepted.borrow().iter())
                .filter(|(_, accepted)| **accepted)
                .map(|(event, _): (u64, _)| stock::session_id(&self.shop, event))
                .collect();
            let paid = acknowledged(
                &installation.pool,
                "each accepted event's order is paid, once",
                "SELECT count(*) FROM unnest($2::text[]) AS told (session)
                 JOIN payments p ON p.tenant_id = $1 AND p.provider = 'STRIPE' AND p.provider_session_id = told.session
                 JOIN orders o ON o.tenant_id = $1 AND o.id = p.order_id AND o.status = 'PAID'
                 JOIN receipts r ON r.tenant_id = $1 AND r.order_id = o.id",
                self.shop.tenant_id,
                &accepted,
            )
            .await?;
            let (stored, undone): (i64, i64) = sqlx::query_as(
                "SELECT count(*), count(*) FILTER (WHERE status <> 'PROCESSED')
                 FROM webhook_events WHERE tenant_id = $1",
            )
            .bind(self.shop.tenant_id)
            .fetch_one(&installation.pool)
            .await?;
            let stored_once = stored >= i64::try_from(accepted.len())? && stored <= i64::try_from(self.orders.len())?;
            Ok(vec![
                paid,
                Promise::new("each event is stored once", stored_once, format!("{stored} of {} accepted", accepted.len())),
                Promise::without("all that was stored was dealt with", undone),
            ])
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_comes_one_to_five_times_at_any_time_of_the_run() {
        let (order, events) = shuffled(10_000);
        let mut times = vec![0; events as usize];
        for event in &order {
            times[*event as usize] += 1;
        }
        assert!(times.iter().all(|times| (1..=5).contains(times)));
        let distinct: std::collections::HashSet<u32> = order[..3_000].iter().copied().collect();
        assert!((900..1_200).contains(&distinct.len()), "{} of the first 3000", distinct.len());
    }
}
