//! A tenant of the product: operations are done to it, and all that can be seen of it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use primetech_actors::clock::{Clock, SystemClock};
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::random;
use primetech_actors::tenancy::TenantScope;
use primetech_actors::tenancy::registry;
use primetech_licences::operator;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::explain::explanations;
use crate::instance::{Answer, Request};
use crate::operation::{Cart, Fact, History, Leaver, Licence, Operation, Reader, Step, UNKNOWN, is_won};
use crate::reference::{Shop, device_name, refund_amount};
use crate::world::{WEBHOOK_SECRET, World};

/// For a database that cannot be had at the moment.
const PATIENCE: Duration = Duration::from_secs(20);

const UNKNOWN_KEY: &str = "LIC-ZZZZ-ZZZZ-ZZZZ";

/// Lets a history happen to a tenant of its own. An error tells what nothing explains.
pub async fn run(world: &World, history: &History) -> Result<(), String> {
    let mut tenant = Tenant::new(world).await;
    let mut shops = vec![Shop::default()];
    for (at, step) in history.iter().enumerate() {
        let step: Step = step.iter().filter_map(|operation| shops[0].bind(*operation)).collect();
        let done = join_all(
            step.iter().enumerate().map(|(place, operation)| tenant.perform(at + place, place, operation)),
        )
        .await;
        let mut answers = Vec::with_capacity(done.len());
        let mut bodies = Vec::new();
        for done in done {
            let (answer, body) = done?;
            answers.push(answer);
            bodies.extend(body);
        }
        tenant.note(&step, bodies)?;
        let seen = tenant.look().await?;
        let after = explanations(&shops, &step, &answers, &seen);
        if after.is_empty() {
            return Err(told(at, &shops[0], &step, &answers, &seen));
        }
        shops = after;
    }
    Ok(())
}

/// What was asked, answered and seen, and what the model says of it in the order of asking.
fn told(at: usize, shop: &Shop, step: &Step, answers: &[String], seen: &Value) -> String {
    let mut lines =
        vec![format!("step {at}: no order of its operations explains what was answered and seen")];
    let mut shop = shop.clone();
    lines.push(format!("before  {}", shop.seen()));
    for (operation, answer) in step.iter().zip(answers) {
        lines.push(format!("  {operation:?}\n    answered {answer}\n    model    {}", shop.apply(operation)));
    }
    lines.push(format!("seen    {seen}"));
    lines.push(format!("model   {}", shop.seen()));
    lines.join("\n")
}

struct Tenant<'a> {
    world: &'a World,
    id: Uuid,
    scope: TenantScope,
    host: String,
    /// What makes the provider's ids of this tenant its own.
    tag: String,
    /// From when on the provider's times count, in Unix time.
    begun: i64,
    orders: Vec<PlacedOrder>,
    /// By order and unit.
    licence_keys: BTreeMap<(usize, usize), String>,
    bookings: Vec<String>,
    events: BTreeSet<String>,
}

struct PlacedOrder {
    id: String,
    number: String,
    cart: Cart,
    key: u8,
    /// Of its first attempt.
    first_session_id: String,
    session_id: String,
    invoice_number: String,
    total: i64,
    /// The answer to its checkout, which is the same until there is another attempt.
    body: String,
}

/// The text to compare with the model's, and the body where the driver learns from it.
type Performed = Result<(String, Option<(Learned, String)>), String>;

enum Learned {
    Order {
        cart: Cart,
        key: u8,
    },
    /// Another attempt at an order.
    Again,
    /// At this place of the step.
    Booking(usize),
}

impl<'a> Tenant<'a> {
    async fn new(world: &'a World) -> Self {
        let id = random::row_id(SystemClock.now());
        let tag = random::opaque_id().simple().to_string();
        let slug = format!("t{}", &tag[..20]);
        let host = format!("{slug}.test");
        let template = "'00000000-0000-7000-8000-000000000001'";
        let sql = format!(
            "INSERT INTO tenants (id, slug, name, active, created_at) VALUES ('{id}', '{slug}', 'Model', true, now());
             INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES ('{id}', gen_random_uuid(), '{host}', now());
             INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
                 SELECT '{id}', gen_random_uuid(), sku, kind, name, unit_amount, currency, created_at, updated_at
                 FROM products WHERE tenant_id = {template};
             INSERT INTO users (tenant_id, id, email, name, role, password_hash, created_at)
                 SELECT '{id}', id, email, name, role, password_hash, created_at FROM users WHERE tenant_id = {template};
             INSERT INTO sessions (tenant_id, id, token_hash, user_id, created_at, expires_at)
                 SELECT '{id}', id, token_hash, user_id, created_at, expires_at FROM sessions WHERE tenant_id = {template}"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
        let scope = registry::find(&world.database, &slug).await.unwrap().unwrap().scope();
        Self {
            world,
            id,
            scope,
            host,
            tag,
            begun: SystemClock.now().timestamp() - 1000,
            orders: Vec::new(),
            licence_keys: BTreeMap::new(),
            bookings: Vec::new(),
            events: BTreeSet::new(),
        }
    }

    fn cookie(&self, by: Reader) -> Option<(&'static str, String)> {
        let cookie = match by {
            Reader::Owner => &self.world.owner,
            Reader::Admin => &self.world.admin,
            Reader::Stranger => &self.world.stranger,
            Reader::Nobody => return None,
        };
        Some(("cookie", cookie.clone()))
    }

    async fn ask(
        &self,
        instance: usize,
        method: Method,
        path: String,
        headers: impl IntoIterator<Item = (&'static str, String)>,
        body: Value,
    ) -> Result<Answer, String> {
        let instance = &self.world.instances[instance % self.world.instances.len()];
        let headers: Vec<(&'static str, String)> = headers.into_iter().collect();
        let body = body.to_string();
        let begun = Instant::now();
        loop {
            let request = Request {
                method: method.clone(),
                host: self.host.clone(),
                path: path.clone(),
                headers: headers.clone(),
                body: body.clone(),
            };
            let answer = instance.call(request).await?;
            // Nothing was done, and the same may be asked again: a machine that is starved says so. Where something
            // was done all the same, what is seen after it tells.
            if answer.status == 503 && begun.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            return Ok(answer);
        }
    }

    async fn perform(&self, instance: usize, place: usize, operation: &Operation) -> Performed {
        let text = match *operation {
            Operation::TryAgain { order } => {
                let found = &self.orders[usize::from(order)];
                self.lose_answer(&found.id).await?;
                let answer = self.check_out(instance, found.cart, found.key).await?;
                if answer.status != 201 || answer.is_replayed {
                    return Ok((answer.refusal(), None));
                }
                let body = answer.json();
                let invoice = series(&body["invoice"]["number"], "INV")?;
                let text = format!("201 {} invoice {invoice} again", word(&body["order"]["status"]));
                return Ok((text, Some((Learned::Again, answer.text))));
            }
            Operation::CheckOut { cart, key } => {
                let answer = self.check_out(instance, cart, key).await?;
                if answer.status != 201 {
                    return Ok((answer.refusal(), None));
                }
                let body = answer.json();
                let text = format!(
                    "201 {} invoice {} over {} replayed {}",
                    word(&body["order"]["status"]),
                    series(&body["invoice"]["number"], "INV")?,
                    body["order"]["total"],
                    answer.is_replayed
                );
                return Ok((text, Some((Learned::Order { cart, key }, answer.text))));
            }
            Operation::Book => {
                let body =
                    json!({"serviceSku": "call", "name": "Jane", "email": format!("{place}@example.com")});
                let answer = self.ask(instance, Method::POST, "/api/bookings".to_owned(), [], body).await?;
                if answer.status != 201 {
                    return Ok((answer.refusal(), None));
                }
                let text = format!("201 {}", word(&answer.json()["booking"]["status"]));
                return Ok((text, Some((Learned::Booking(place), answer.text))));
            }
            Operation::Deliver { order, fact } => {
                self.deliver(instance, &self.orders[usize::from(order)], order, fact).await?
            }
            Operation::ReadOrder { order, by } => {
                // By either of its names.
                let found = &self.orders[usize::from(order)];
                let name = if place.is_multiple_of(2) { &found.number } else { &found.id };
                let answer = self.get(instance, format!("/api/orders/{name}"), by).await?;
                let order = &answer.json()["order"];
                let receipt = match order["receiptNumber"].as_str() {
                    Some(_) => series(&order["receiptNumber"], "RCP")?.to_string(),
                    None => "none".to_owned(),
                };
                or_refusal(&answer, || {
                    let invoice = series(&order["invoiceNumber"], "INV")?;
                    let (status, dispute) = (word(&order["status"]), word(&order["dispute"]));
                    Ok(format!("200 {status} dispute {dispute} invoice {invoice} receipt {receipt}"))
                })?
            }
            Operation::ReadInvoice { order } => {
                let number = &self.orders[usize::from(order)].invoice_number;
                let answer = self.get(instance, format!("/api/invoices/{number}"), Reader::Owner).await?;
                let invoice = &answer.json()["invoice"];
                or_refusal(&answer, || {
                    let is_paid = !invoice["paidAt"].is_null();
                    Ok(format!(
                        "200 {} {} {is_paid}",
                        series(&invoice["number"], "INV")?,
                        word(&invoice["status"])
                    ))
                })?
            }
            Operation::Activate { licence, device } => {
                let body = json!({"licKey": self.key(licence), "fingerprint": device_name(device)});
                let answer = self.post(instance, "/api/licences/activate", None, body).await?;
                let body = answer.json();
                match answer.status {
                    200 | 201 if body["certificate"].is_string() => {
                        let on = word(&body["activation"]["fingerprint"]);
                        format!("{} created {} on {on}", answer.status, body["created"])
                    }
                    _ => answer.refusal(),
                }
            }
            Operation::Deactivate { licence, by } => {
                let mut body = json!({"licKey": self.key(licence)});
                let by = match by {
                    Leaver::Device(device) => {
                        body["fingerprint"] = json!(device_name(device));
                        None
                    }
                    Leaver::Session(by) => Some(by),
                };
                let answer = self.post(instance, "/api/licences/deactivate", by, body).await?;
                or_refusal(&answer, || Ok(licence_view(&answer)))?
            }
            Operation::Validate { licence, device } => {
                let mut body = json!({"licKey": self.key(licence)});
                if let Some(device) = device {
                    body["fingerprint"] = json!(device_name(device));
                }
                let answer = self.post(instance, "/api/licences/validate", None, body).await?;
                let body = answer.json();
                let status = body["licence"]["status"].as_str().unwrap_or("none");
                or_refusal(&answer, || Ok(format!("200 {} {} {status}", body["valid"], word(&body["code"]))))?
            }
            Operation::ReadLicence { licence, by } => {
                let answer = self.get(instance, format!("/api/licences/{}", self.key(licence)), by).await?;
                or_refusal(&answer, || Ok(licence_view(&answer)))?
            }
            Operation::Revoke { licence } => {
                let key = LicenceKey::parse(self.key(licence)).map_err(|_| "a malformed key".to_owned())?;
                let now = SystemClock.now();
                let revoked = operator::revoke(&self.world.database, now, &self.scope, &key).await;
                revoked.map_or_else(|error| error.to_string(), |(_, changed)| format!("revoked {changed}"))
            }
            Operation::Lapse { licence } => {
                sqlx::query("UPDATE licences SET expires_at = created_at WHERE tenant_id = $1 AND key = $2")
                    .bind(self.id)
                    .bind(self.key(licence))
                    .execute(&self.world.pool)
                    .await
                    .map_err(|error| error.to_string())?;
                "lapsed".to_owned()
            }
            Operation::MoveBooking { booking, to } => {
                let path = format!("/api/admin/bookings/{}", self.booking(booking).0);
                let body = json!({"status": to.name()});
                let answer =
                    self.ask(instance, Method::PATCH, path, self.cookie(Reader::Admin), body).await?;
                let meta = &answer.json()["error"]["details"]["meta"];
                if answer.status == 409 {
                    let mut allowed: Vec<&str> =
                        meta["allowed"].as_array().into_iter().flatten().map(word).collect();
                    allowed.sort_unstable();
                    let (from, to) = (word(&meta["from"]), word(&meta["to"]));
                    format!("{} {from} {to} [{}]", answer.refusal(), allowed.join(" "))
                } else {
                    or_refusal(&answer, || Ok(format!("200 {}", word(&answer.json()["booking"]["status"]))))?
                }
            }
            Operation::TrackBooking { booking } => {
                let (reference, email) = self.booking(booking);
                let path = format!("/api/bookings/track?bkgRef={reference}&email={email}");
                let answer = self.get(instance, path, Reader::Nobody).await?;
                or_refusal(&answer, || Ok(format!("200 {}", word(&answer.json()["booking"]["status"]))))?
            }
        };
        Ok((text, None))
    }

    async fn check_out(&self, instance: usize, cart: Cart, key: u8) -> Result<Answer, String> {
        let items: Vec<Value> =
            cart.items().iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
        let headers =
            self.cookie(Reader::Owner).into_iter().chain([("idempotency-key", format!("key-{key}"))]);
        let path = "/api/checkout/start".to_owned();
        self.ask(instance, Method::POST, path, headers, json!({ "items": items })).await
    }

    /// The answer to a checkout is lost, and the time of its session is over.
    async fn lose_answer(&self, order_id: &str) -> Result<(), String> {
        let sql = format!(
            "UPDATE idempotency_keys
             SET response_status = NULL, response_body = NULL, locked_until = now() - interval '1 second'
             WHERE tenant_id = '{id}' AND order_id = '{order_id}';
             UPDATE payments SET checkout_expires_at = now() - interval '1 second'
             WHERE tenant_id = '{id}' AND order_id = '{order_id}'",
            id = self.id
        );
        let lost = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.world.pool).await;
        lost.map(drop).map_err(|error| error.to_string())
    }

    async fn get(&self, instance: usize, path: String, by: Reader) -> Result<Answer, String> {
        self.ask(instance, Method::GET, path, self.cookie(by), Value::Null).await
    }

    async fn post(
        &self,
        instance: usize,
        path: &str,
        by: Option<Reader>,
        body: Value,
    ) -> Result<Answer, String> {
        let cookie = by.and_then(|by| self.cookie(by));
        self.ask(instance, Method::POST, path.to_owned(), cookie, body).await
    }

    fn key(&self, licence: Licence) -> &str {
        let named = (usize::from(licence.order), usize::from(licence.unit));
        match self.licence_keys.get(&named) {
            Some(key) if licence.unit != UNKNOWN => key,
            _ => UNKNOWN_KEY,
        }
    }

    fn booking(&self, booking: u8) -> (&str, &str) {
        self.bookings[usize::from(booking)].split_once(' ').unwrap_or_default()
    }

    /// Sends an event, signed as the provider signs.
    async fn deliver(
        &self,
        instance: usize,
        order: &PlacedOrder,
        at: u8,
        fact: Fact,
    ) -> Result<String, String> {
        let payload = self.event(order, at, fact);
        let now = SystemClock.now().timestamp();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).map_err(|error| error.to_string())?;
        mac.update(format!("{now}.{payload}").as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let headers = [("stripe-signature", format!("t={now},v1={signature}"))];
        let answer =
            self.ask(instance, Method::POST, "/api/webhooks/stripe".to_owned(), headers, payload).await?;
        Ok(format!("{} {}", answer.status, answer.text))
    }

    fn event_id(&self, order: u8, fact: Fact) -> String {
        format!("evt_{}_{order}_{}", self.tag, fact.name())
    }

    fn event(&self, order: &PlacedOrder, at: u8, fact: Fact) -> Value {
        let intent = format!("pi_{}_{at}", self.tag);
        let session = |payment_status: &str, amount: i64, currency: &str| {
            json!({
                "id": order.session_id, "object": "checkout.session", "payment_status": payment_status,
                "amount_total": amount, "currency": currency, "payment_intent": intent,
                "client_reference_id": order.id, "metadata": {"tenantId": self.id, "orderId": order.id},
            })
        };
        let charge = |is_refunded: bool, amount: i64| {
            json!({
                "id": format!("ch_{}_{at}", self.tag), "object": "charge", "payment_intent": intent,
                "refunded": is_refunded, "amount_refunded": amount, "amount": order.total, "currency": "usd",
                "metadata": {"tenantId": self.id, "orderId": order.id},
            })
        };
        let first = |mut session: Value| {
            session["id"] = json!(order.first_session_id);
            session
        };
        let dispute = |dispute: u8, status: &str| {
            json!({
                "id": format!("dp_{}_{at}_{dispute}", self.tag), "object": "dispute", "payment_intent": intent,
                "status": status,
            })
        };
        let total = order.total;
        let (kind, object) = match fact {
            Fact::Paid => ("checkout.session.completed", session("paid", total, "usd")),
            Fact::PaidLater => ("checkout.session.async_payment_succeeded", session("paid", total, "usd")),
            Fact::Unpaid => ("checkout.session.completed", session("unpaid", total, "usd")),
            Fact::BankRefused => ("checkout.session.async_payment_failed", session("unpaid", total, "usd")),
            Fact::Expired => {
                let mut expired = session("unpaid", total, "usd");
                expired["payment_intent"] = Value::Null;
                ("checkout.session.expired", expired)
            }
            Fact::PaidByTheFirst => ("checkout.session.completed", first(session("paid", total, "usd"))),
            Fact::FirstExpired => {
                let mut expired = first(session("unpaid", total, "usd"));
                expired["payment_intent"] = Value::Null;
                ("checkout.session.expired", expired)
            }
            Fact::PaidTooLittle => ("checkout.session.completed", session("paid", total - 1, "usd")),
            Fact::PaidInOtherCurrency => ("checkout.session.completed", session("paid", total, "eur")),
            Fact::RefundedPartly(hundreds) => ("charge.refunded", charge(false, i64::from(hundreds) * 100)),
            Fact::Refunded => ("charge.refunded", charge(true, total)),
            Fact::RefundedAgain => ("charge.refunded", charge(true, total)),
            Fact::RefundFailed(refund) => (
                "refund.failed",
                json!({
                    "id": format!("re_{}_{at}_{refund}", self.tag), "object": "refund", "payment_intent": intent,
                    "amount": refund_amount(order.cart, refund), "status": "failed", "metadata": {},
                }),
            ),
            Fact::DisputeTurned(number) => {
                ("charge.dispute.closed", dispute(number, if is_won(number) { "lost" } else { "won" }))
            }
            Fact::Disputed(number) => ("charge.dispute.created", dispute(number, "needs_response")),
            Fact::DisputeClosed(number) => {
                ("charge.dispute.closed", dispute(number, if is_won(number) { "won" } else { "lost" }))
            }
            Fact::Unhandled => ("payment_intent.created", json!({"id": intent, "object": "payment_intent"})),
        };
        let created = self.begun + i64::from(fact.happened());
        json!({
            "id": self.event_id(at, fact), "object": "event", "type": kind, "created": created,
            "data": {"object": object},
        })
    }

    /// Learns the names that the product gave, and checks that a repeated checkout was answered with the same bytes.
    fn note(&mut self, step: &Step, bodies: Vec<(Learned, String)>) -> Result<(), String> {
        for operation in step {
            if let Operation::Deliver { order, fact } = *operation {
                self.events.insert(self.event_id(order, fact));
            }
        }
        let mut placed: BTreeMap<usize, PlacedOrder> = BTreeMap::new();
        let mut booked: BTreeMap<usize, String> = BTreeMap::new();
        for (learned, text) in bodies {
            let body: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            match learned {
                Learned::Booking(place) => {
                    let reference = word(&body["booking"]["bkgRef"]);
                    booked.insert(place, format!("{reference} {}", word(&body["booking"]["email"])));
                }
                Learned::Again => {
                    let at = series(&body["invoice"]["number"], "INV")? - 1;
                    let order = self.orders.get_mut(at).ok_or("another attempt at an unknown order")?;
                    order.session_id = word(&body["checkout"]["sessionId"]).to_owned();
                    order.body = text;
                }
                Learned::Order { cart, key } => {
                    let at = series(&body["invoice"]["number"], "INV")? - 1;
                    let order = PlacedOrder {
                        id: word(&body["order"]["id"]).to_owned(),
                        number: word(&body["order"]["number"]).to_owned(),
                        cart,
                        key,
                        first_session_id: word(&body["checkout"]["sessionId"]).to_owned(),
                        session_id: word(&body["checkout"]["sessionId"]).to_owned(),
                        invoice_number: word(&body["invoice"]["number"]).to_owned(),
                        total: body["order"]["total"].as_i64().unwrap_or_default(),
                        body: text,
                    };
                    let first = self.orders.get(at).or_else(|| placed.get(&at));
                    if first.is_some_and(|first| first.body != order.body) {
                        return Err(format!("a repeated checkout has another body: {}", order.body));
                    }
                    if first.is_none() {
                        placed.insert(at, order);
                    }
                }
            }
        }
        self.bookings.extend(booked.into_values());
        for (at, order) in placed {
            if at != self.orders.len() {
                return Err(format!("invoice {} follows invoice {}", at + 1, self.orders.len()));
            }
            self.orders.push(order);
        }
        Ok(())
    }

    /// All that the database has of this tenant, in the model's words.
    async fn look(&mut self) -> Result<Value, String> {
        let sql =
            "SELECT json_build_object(
                 'orders', (SELECT coalesce(json_agg(json_build_object(
                         'id', o.id, 'order', o.status, 'total', o.total, 'invoice', i.status, 'invoice_number', i.number,
                         'payment', p.status, 'refunded', p.amount_refunded, 'receipt_number', r.number,
                         'entitlements', (SELECT count(*) FROM entitlements e WHERE e.tenant_id = o.tenant_id AND e.order_id = o.id),
                         'entitlements_revoked', (SELECT count(*) FROM entitlements e
                             WHERE e.tenant_id = o.tenant_id AND e.order_id = o.id AND e.revoked_at IS NOT NULL),
                         'licences', (SELECT coalesce(json_agg(json_build_object(
                                 'key', l.key, 'unit', l.unit_number - 1,
                                 'status', CASE WHEN l.status = 'ACTIVE' AND l.expires_at <= now() THEN 'EXPIRED' ELSE l.status END,
                                 'device', (SELECT string_agg(a.fingerprint, ' and ') FROM activations a
                                     WHERE a.tenant_id = l.tenant_id AND a.licence_id = l.id AND a.deactivated_at IS NULL),
                                 'activations', (SELECT count(*) FROM activations a
                                     WHERE a.tenant_id = l.tenant_id AND a.licence_id = l.id)
                             ) ORDER BY l.unit_number), '[]') FROM licences l WHERE l.tenant_id = o.tenant_id AND l.order_id = o.id)
                     ) ORDER BY i.number), '[]')
                     FROM orders o
                     LEFT JOIN invoices i ON i.tenant_id = o.tenant_id AND i.order_id = o.id
                     LEFT JOIN payments p ON p.tenant_id = o.tenant_id AND p.order_id = o.id
                     LEFT JOIN receipts r ON r.tenant_id = o.tenant_id AND r.order_id = o.id
                     WHERE o.tenant_id = $2),
                 'events', (SELECT coalesce(json_object_agg(provider_event_id, status), '{}') FROM webhook_events
                     WHERE provider = 'STRIPE' AND provider_event_id = ANY ($1)),
                 'bookings', (SELECT coalesce(json_object_agg(b.ref, json_build_object('status', b.status, 'events',
                         (SELECT count(*) FROM booking_events e WHERE e.tenant_id = b.tenant_id AND e.booking_id = b.id))), '{}')
                     FROM bookings b WHERE b.tenant_id = $2),
                 'told', (SELECT coalesce(json_object_agg(topic, count), '{}') FROM
                     (SELECT topic, count(*) FROM outbox_messages WHERE tenant_id = $2 GROUP BY topic) AS topics),
                 'counters', (SELECT coalesce(json_object_agg(kind, last_value), '{}') FROM counters
                     WHERE tenant_id = $2 AND kind <> 'ORD'))";
        let ids: Vec<&String> = self.events.iter().collect();
        let found: Value = sqlx::query_scalar(sql)
            .bind(ids)
            .bind(self.id)
            .fetch_one(&self.world.pool)
            .await
            .map_err(|error| error.to_string())?;
        let mut orders = Vec::new();
        for (at, mut order) in found["orders"].as_array().cloned().unwrap_or_default().into_iter().enumerate()
        {
            if self.orders.get(at).is_none_or(|placed| placed.id != word(&order["id"])) {
                return Err(format!("an order that nobody was answered with: {order}"));
            }
            order["invoice_number"] = json!(series(&order["invoice_number"], "INV")?);
            if order["receipt_number"].is_string() {
                order["receipt_number"] = json!(series(&order["receipt_number"], "RCP")?);
            }
            for (unit, licence) in order["licences"].as_array_mut().into_iter().flatten().enumerate() {
                self.licence_keys.insert((at, unit), word(&licence["key"]).to_owned());
                remove(licence, "key");
            }
            let prefix = format!("evt_{}_{at}_", self.tag);
            let events: BTreeMap<&str, &Value> = found["events"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(id, status)| Some((id.strip_prefix(&prefix)?, status)))
                .collect();
            order["events"] = json!(events);
            remove(&mut order, "id");
            orders.push(order);
        }
        let bookings: Vec<&Value> =
            (0..self.bookings.len()).map(|at| &found["bookings"][self.booking(at as u8).0]).collect();
        let count = |of: &str, what: &str| found[of][what].as_i64().unwrap_or_default();
        Ok(json!({
            "orders": orders,
            "bookings": bookings,
            "booking_mails": count("told", "mail.booking"),
            "paid_mails": count("told", "mail.order-paid"),
            "last_invoice": count("counters", "INV"),
            "last_receipt": count("counters", "RCP"),
        }))
    }
}

fn remove(object: &mut Value, field: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(field);
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

/// The place in its series of a number such as INV-2026-000001.
fn series(number: &Value, prefix: &str) -> Result<usize, String> {
    let parts: Vec<&str> = word(number).split('-').collect();
    match parts[..] {
        [kind, year, place] if kind == prefix && year.len() == 4 && place.len() == 6 => {
            place.parse().map_err(|_| format!("no {prefix} number: {number}"))
        }
        _ => Err(format!("no {prefix} number: {number}")),
    }
}

fn or_refusal(answer: &Answer, text: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    if answer.status == 200 { text() } else { Ok(answer.refusal()) }
}

fn licence_view(answer: &Answer) -> String {
    let licence = &answer.json()["licence"];
    format!("200 {} on {}", word(&licence["status"]), word(&licence["activation"]["fingerprint"]))
}
