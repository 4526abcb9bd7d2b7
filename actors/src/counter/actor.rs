use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use actix::{Actor, Context, Handler, ResponseFuture};
use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

use super::messages::*;
use super::series::{self, Block, Kind, Series};
use super::store::{self, NewItem, NewOrder, ProductRow};
use crate::batch::{Batch, BatchLimits, BatchQueue, Reply};
use crate::clock::SharedClock;
use crate::database::BatchTx;
use crate::database::Database;
use crate::idempotency::{self, Claimed, HeldClaim, KeyedClaim};
use crate::identifiers::{InvoiceNumber, OrderNumber, day_period};
use crate::money;
use crate::order::{BillTo, InvoiceView, ItemView, OrderView, store::find_placed};
use crate::random;

/// Numbers orders and invoices. All requests for a tenant meet in one of these actors, which takes the numbers of a
/// whole batch under one lock and writes the batch in one transaction.
pub struct CounterActor {
    orders: Rc<BatchQueue<OrderBatch>>,
}

impl CounterActor {
    pub fn new(database: Database, clock: SharedClock, limits: BatchLimits) -> Self {
        Self { orders: Rc::new(BatchQueue::new(OrderBatch { clock }, &database, limits)) }
    }
}

impl Actor for CounterActor {
    type Context = Context<Self>;
}

crate::ask::carry_spans!(CounterActor);

impl Handler<PlaceOrder> for CounterActor {
    type Result = ResponseFuture<Result<Placed, PlaceOrderError>>;

    fn handle(&mut self, message: PlaceOrder, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.orders.submit(message))
    }
}

struct OrderBatch {
    clock: SharedClock,
}

/// What an order will hold, from the catalogue.
struct Plan {
    order_id: Uuid,
    currency: String,
    total: i64,
    items: Vec<NewItem>,
}

/// How far one request of the batch has come.
enum Step {
    /// Decided without writing anything more.
    Decided(Box<Result<Placed, PlaceOrderError>>),
    /// To be written, once it has its numbers.
    Write(Plan, Option<HeldClaim>),
}

fn decided(reply: Result<Placed, PlaceOrderError>) -> Step {
    Step::Decided(Box::new(reply))
}

impl Batch for OrderBatch {
    type Item = PlaceOrder;
    type Done = Placed;
    type Error = PlaceOrderError;
    const NAME: &'static str = "counter.orders";

    async fn run(&self, tx: &mut BatchTx, items: &[PlaceOrder]) -> sqlx::Result<Vec<Reply<Self>>> {
        let now = self.clock.now();
        tx.open_tenants_to_write(items.iter().map(|item| item.buyer.scope.tenant_id())).await?;
        let products = store::find_products(
            tx.connection(),
            items.iter().flat_map(|item| {
                item.items.iter().map(|wanted| (item.buyer.scope.tenant_id(), wanted.sku.as_str()))
            }),
        )
        .await?;
        let plans = items.iter().map(|item| plan(item, &products, now)).collect();
        let steps = claim_keys(tx, now, items, plans).await?;
        let numbers = take_numbers(tx, now, items, &steps).await?;
        let mut replies = Vec::with_capacity(items.len());
        let mut new_orders = Vec::new();
        let mut numbers = numbers;
        for (item, step) in items.iter().zip(steps) {
            replies.push(match step {
                Step::Decided(reply) => *reply,
                Step::Write(plan, claim) => match numbers.next(item.buyer.scope.tenant_id()) {
                    None => Err(PlaceOrderError::NumbersExhausted { claim }),
                    Some((invoice_sequence, order_sequence)) => {
                        let order = number(item, plan, now, invoice_sequence, order_sequence);
                        let placed = shown(&order, claim, now);
                        new_orders.push(order);
                        Ok(placed)
                    }
                },
            });
        }
        store::insert_orders(tx.connection(), now, &new_orders).await?;
        Ok(replies)
    }
}

fn plan(
    request: &PlaceOrder,
    products: &HashMap<(Uuid, String), ProductRow>,
    now: DateTime<Utc>,
) -> Result<Plan, PlaceOrderError> {
    let tenant_id = request.buyer.scope.tenant_id();
    let mut items = Vec::with_capacity(request.items.len());
    for wanted in &request.items {
        let Some(product) = products.get(&(tenant_id, wanted.sku.clone())) else {
            return Err(PlaceOrderError::ProductNotFound { sku: wanted.sku.clone(), claim: None });
        };
        let total = product.unit_amount * i64::from(wanted.quantity);
        items.push(NewItem {
            id: random::row_id(now),
            product: product.clone(),
            quantity: wanted.quantity,
            total,
        });
    }
    let currency = items.first().map(|item| item.product.currency.clone()).unwrap_or_default();
    if items.iter().any(|item| item.product.currency != currency) {
        return Err(PlaceOrderError::MixedCurrencies);
    }
    let total = items.iter().map(|item| item.total).sum();
    check_amounts(&items, total, &currency)?;
    Ok(Plan { order_id: random::row_id(now), currency, total, items })
}

/// Prices are checked when a product is written, but it may stand there from before a rule.
fn check_amounts(items: &[NewItem], total: i64, currency: &str) -> Result<(), PlaceOrderError> {
    let price = |item: &NewItem| {
        let fault = money::check_price(item.product.unit_amount, currency).err()?;
        Some(NotChargeable::Price { sku: item.product.sku.clone(), fault })
    };
    let mut faults: Vec<NotChargeable> = items.iter().filter_map(price).collect();
    // A total of wrong prices says nothing new.
    if faults.is_empty() {
        faults.extend(money::check_total(total, currency).err().map(NotChargeable::Total));
    }
    if faults.is_empty() { Ok(()) } else { Err(PlaceOrderError::NotChargeable(faults)) }
}

/// Claims the keys of the batch and decides what is decided by them. A request whose body is wrong makes no claim.
async fn claim_keys(
    tx: &mut BatchTx,
    now: DateTime<Utc>,
    requests: &[PlaceOrder],
    plans: Vec<Result<Plan, PlaceOrderError>>,
) -> sqlx::Result<Vec<Step>> {
    let mut claiming = Vec::new();
    let mut wanted = Vec::new();
    for (at, (request, plan)) in requests.iter().zip(&plans).enumerate() {
        let order_id = match plan {
            Ok(plan) => Some(plan.order_id),
            Err(PlaceOrderError::ProductNotFound { .. }) => None,
            Err(_) => continue,
        };
        if let Some(claim) = &request.claim {
            claiming.push(at);
            wanted.push(KeyedClaim { scope: request.buyer.scope, claim, order_id });
        }
    }
    let mut claims = HashMap::new();
    if !wanted.is_empty() {
        let claimed = idempotency::claim(tx.connection(), now, &wanted).await?;
        claims.extend(claiming.into_iter().zip(claimed));
    }
    let mut steps = Vec::with_capacity(requests.len());
    for (at, (request, plan)) in requests.iter().zip(plans).enumerate() {
        let held = match claims.remove(&at) {
            Some(Claimed::Refused(refused)) => {
                steps.push(decided(Err(PlaceOrderError::Refused(refused))));
                continue;
            }
            Some(Claimed::Resume(held, order_id)) => {
                let tenant_id = request.buyer.scope.tenant_id();
                let (order, invoice) = find_placed(tx.connection(), tenant_id, order_id).await?;
                steps.push(decided(Ok(Placed { order, invoice, claim: Some(held) })));
                continue;
            }
            Some(Claimed::Fresh(held)) => Some(held),
            None => None,
        };
        steps.push(match plan {
            Ok(plan) => Step::Write(plan, held),
            Err(PlaceOrderError::ProductNotFound { sku, .. }) => {
                decided(Err(PlaceOrderError::ProductNotFound { sku, claim: held }))
            }
            Err(error) => decided(Err(error)),
        });
    }
    Ok(steps)
}

/// The numbers taken for a batch, handed out in the order of its requests.
struct Numbers {
    by_tenant: HashMap<Uuid, Handout>,
}

struct Handout {
    next_invoice: i32,
    next_order: i32,
    left: i32,
}

impl Numbers {
    /// The next invoice and order numbers of a tenant, or none where a series is used up.
    fn next(&mut self, tenant_id: Uuid) -> Option<(i32, i32)> {
        let handout = self.by_tenant.get_mut(&tenant_id)?;
        if handout.left == 0 {
            return None;
        }
        let numbers = (handout.next_invoice, handout.next_order);
        handout.next_invoice += 1;
        handout.next_order += 1;
        handout.left -= 1;
        Some(numbers)
    }
}

async fn take_numbers(
    tx: &mut BatchTx,
    now: DateTime<Utc>,
    requests: &[PlaceOrder],
    steps: &[Step],
) -> sqlx::Result<Numbers> {
    let mut orders_of: BTreeMap<Uuid, i32> = BTreeMap::new();
    for (request, step) in requests.iter().zip(steps) {
        if matches!(step, Step::Write(..)) {
            *orders_of.entry(request.buyer.scope.tenant_id()).or_default() += 1;
        }
    }
    let series_of = |tenant_id| {
        (
            Series { tenant_id, kind: Kind::Invoice, period: now.year() },
            Series { tenant_id, kind: Kind::Order, period: day_period(now) },
        )
    };
    let mut wanted = BTreeMap::new();
    for (tenant_id, count) in &orders_of {
        let (invoices, orders) = series_of(*tenant_id);
        wanted.insert(invoices, *count);
        wanted.insert(orders, *count);
    }
    let blocks = series::take(tx.connection(), &wanted).await?;
    let mut by_tenant = HashMap::new();
    for (tenant_id, count) in orders_of {
        let (invoices, orders) = series_of(tenant_id);
        let none = Block { first: 1, count: 0 };
        let invoice_block = blocks.get(&invoices).copied().unwrap_or(none);
        let order_block = blocks.get(&orders).copied().unwrap_or(none);
        let left = count.min(invoice_block.count).min(order_block.count);
        // An order needs both: what one series gives beyond the other is not skipped but given back.
        series::give_back(tx.connection(), &invoices, &invoice_block, left).await?;
        series::give_back(tx.connection(), &orders, &order_block, left).await?;
        let handout = Handout { next_invoice: invoice_block.first, next_order: order_block.first, left };
        by_tenant.insert(tenant_id, handout);
    }
    Ok(Numbers { by_tenant })
}

fn number(
    request: &PlaceOrder,
    plan: Plan,
    now: DateTime<Utc>,
    invoice_sequence: i32,
    order_sequence: i32,
) -> NewOrder {
    let buyer = &request.buyer;
    let tenant_id = buyer.scope.tenant_id();
    NewOrder {
        tenant_id,
        id: plan.order_id,
        number: OrderNumber::of(tenant_id, now, order_sequence).to_string(),
        user_id: buyer.user_id,
        currency: plan.currency,
        total: plan.total,
        items: plan.items,
        invoice_id: random::row_id(now),
        invoice_number: InvoiceNumber::of(now.year(), invoice_sequence).to_string(),
        bill_to_name: buyer.name.clone(),
        bill_to_email: buyer.email.clone(),
        payment_id: random::row_id(now),
    }
}

fn shown(order: &NewOrder, claim: Option<HeldClaim>, now: DateTime<Utc>) -> Placed {
    let items: Vec<ItemView> = order
        .items
        .iter()
        .map(|item| ItemView {
            sku: item.product.sku.clone(),
            name: item.product.name.clone(),
            quantity: item.quantity,
            unit_amount: item.product.unit_amount,
            total: item.total,
        })
        .collect();
    let invoice = InvoiceView {
        number: order.invoice_number.clone(),
        status: "OPEN".to_owned(),
        order_id: order.id,
        order_number: order.number.clone(),
        currency: order.currency.clone(),
        subtotal: order.total,
        tax: 0,
        total: order.total,
        lines: items.clone(),
        bill_to: BillTo { name: order.bill_to_name.clone(), email: order.bill_to_email.clone() },
        issued_at: now,
        paid_at: None,
    };
    let order = OrderView {
        id: order.id,
        number: order.number.clone(),
        status: "PENDING".to_owned(),
        currency: order.currency.clone(),
        total: order.total,
        items,
        invoice_number: order.invoice_number.clone(),
        receipt_number: None,
        created_at: now,
        paid_at: None,
    };
    Placed { order, invoice, claim }
}
