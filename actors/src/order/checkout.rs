//! The checkout (Policy B): places an order with its invoice, asks the provider for a page to pay on, and ties the two
//! together.

use std::sync::Arc;

use chrono::TimeDelta;

use super::actor::OrderActor;
use super::error::CheckoutError;
use super::messages::{AttachCheckout, Attempt, BeginAttempt, ReturnPages};
use super::provider::{NewPage, PageFailure, PageLine, PaymentPages};
use super::views::{CheckoutView, InvoiceView, OrderView};
use crate::ask::ask;
use crate::clock::SharedClock;
use crate::counter::{Buyer, CounterActor, PlaceOrder, PlaceOrderError, Placed, WantedItem};
use crate::database::Database;
use crate::fault::Fault;
use crate::idempotency::{
    Claims, Held, HeldClaim, IdempotencyClaim, Keyed, NotPlaced, OnceDone, OnceError, Render, Saga,
    SavedAnswer, run,
};
use crate::shard::Shards;

/// How long a customer may take to pay, from the beginning of an attempt. The provider allows 24 hours from its own now:
/// an hour is left for a repeated request, whose parameters must be those of the first.
const TIME_TO_PAY: TimeDelta = TimeDelta::hours(23);

/// An attempt whose session would end sooner is given up for another one: the provider makes no session for less than 30
/// minutes by its own clock, and keeps the first answer under a key for 24 hours.
const LEAST_TIME_TO_PAY: TimeDelta = TimeDelta::minutes(40);

/// The status of an order that waits for its payment.
const PENDING: &str = "PENDING";

/// A checkout that was asked for, checked.
#[derive(Clone)]
pub struct StartCheckout {
    pub buyer: Buyer,
    pub items: Vec<WantedItem>,
    pub returns: ReturnPages,
    /// The fields whose pages no customer is sent to. The key decides before them.
    pub forbidden: Vec<&'static str>,
}

/// An order that waits for its payment.
#[derive(Debug, Clone)]
pub struct StartedCheckout {
    pub order: OrderView,
    pub invoice: InvoiceView,
    pub checkout: CheckoutView,
}

/// Starts checkouts. Cheap to clone.
#[derive(Clone)]
pub struct Checkouts {
    pub database: Database,
    pub clock: SharedClock,
    pub counters: Shards<CounterActor>,
    pub orders: Shards<OrderActor>,
    pub pages: Arc<dyn PaymentPages>,
}

/// A checkout with its key.
pub type KeyedCheckout = Keyed<StartCheckout, StartedCheckout, CheckoutError>;

impl Checkouts {
    /// Goes on if the client goes away: an order that was written gets its page.
    pub async fn start(
        &self,
        wanted: KeyedCheckout,
    ) -> Result<OnceDone<StartedCheckout>, OnceError<CheckoutError>> {
        let Keyed { scope, item, key } = wanted;
        let (claim, render) = key.unzip();
        let claims = Claims { database: self.database.clone(), clock: self.clock.clone(), scope };
        let checkout = Checkout { domain: self.clone(), asked: item, claim: claim.clone(), render };
        match actix::spawn(run(checkout, claims, claim)).await {
            Ok(outcome) => outcome,
            Err(panicked) => Err(Fault::internal(panicked.to_string()).into()),
        }
    }
}

/// One checkout under way.
struct Checkout {
    domain: Checkouts,
    asked: StartCheckout,
    claim: Option<IdempotencyClaim>,
    render: Option<Render<StartedCheckout, CheckoutError>>,
}

impl Checkout {
    /// The answer to save under the request's key.
    fn rendered(
        &self,
        outcome: &Result<StartedCheckout, CheckoutError>,
    ) -> Result<Option<SavedAnswer>, Fault> {
        self.render.as_ref().map_or(Ok(None), |render| render(outcome))
    }

    async fn next_attempt(&self, placed: &Placed, after: i32) -> Result<Attempt, Fault> {
        let scope = self.asked.buyer.scope;
        ask(self.domain.orders.of(&scope), BeginAttempt { scope, order_id: placed.order.id, after }).await
    }

    fn new_page(&self, placed: &Placed, attempt: &Attempt) -> NewPage {
        // Those of the first request count.
        let ReturnPages { success_url, cancel_url } = attempt.returns.as_ref().unwrap_or(&self.asked.returns);
        let order = &placed.order;
        NewPage {
            // One attempt has one session, however often it is asked for.
            idempotency_key: match attempt.number {
                1 => format!("order-{}", order.id),
                number => format!("order-{}-{number}", order.id),
            },
            order_id: order.id,
            order_number: order.number.clone(),
            tenant_id: self.asked.buyer.scope.tenant_id(),
            currency: order.currency.clone(),
            lines: order
                .items
                .iter()
                .map(|item| PageLine {
                    name: item.name.clone(),
                    unit_amount: item.unit_amount,
                    quantity: item.quantity.unsigned_abs(),
                })
                .collect(),
            customer_email: placed.invoice.bill_to.email.clone(),
            success_url: success_url.clone(),
            cancel_url: cancel_url.clone(),
            expires_at: attempt.started_at + TIME_TO_PAY,
        }
    }
}

impl Saga for Checkout {
    type Placed = Placed;
    /// The page, and the attempt that it is of.
    type Made = (i32, CheckoutView);
    type Done = StartedCheckout;
    type Error = CheckoutError;

    async fn place(&mut self) -> Result<Held<Placed>, NotPlaced<CheckoutError>> {
        let StartCheckout { buyer, items, returns, forbidden } = self.asked.clone();
        let counter = self.domain.counters.of(&buyer.scope);
        let may_return = forbidden.is_empty();
        let order = PlaceOrder { buyer, items, returns, may_return, claim: self.claim.clone() };
        let refused = |error| Err(NotPlaced::Refused(error));
        match ask(counter, order).await {
            Ok(placed) => Ok(Held { claim: placed.claim, it: placed }),
            Err(PlaceOrderError::Fault(Fault::OutcomeUnknown)) => Err(NotPlaced::Unknown),
            Err(PlaceOrderError::Fault(fault)) => refused(fault.into()),
            Err(PlaceOrderError::Refused(key)) => Err(NotPlaced::Key(key)),
            Err(PlaceOrderError::ReturnForbidden) => refused(CheckoutError::ReturnForbidden(forbidden)),
            Err(PlaceOrderError::MixedCurrencies) => refused(CheckoutError::MixedCurrencies),
            Err(PlaceOrderError::NotChargeable(faults)) => refused(CheckoutError::NotChargeable(faults)),
            Err(PlaceOrderError::ProductNotFound { sku, claim }) => {
                let outcome = Err(CheckoutError::ProductNotFound { sku: sku.clone() });
                let answer = self.rendered(&outcome).map_err(|fault| NotPlaced::Refused(fault.into()))?;
                Err(settled(CheckoutError::ProductNotFound { sku }, claim, answer))
            }
            Err(PlaceOrderError::NumbersExhausted { claim }) => {
                Err(settled(CheckoutError::NumbersExhausted, claim, None))
            }
        }
    }

    /// The page that is known, or one that the provider is asked for. What the provider keeps under an attempt's key it
    /// would only give again: then another attempt is made.
    async fn act(&mut self, placed: &Placed) -> Result<(i32, CheckoutView), CheckoutError> {
        let (now, is_paid) = (self.domain.clock.now(), placed.order.paid_at.is_some());
        // Its attempt ended: by its session's end, or because the provider told of no session.
        let has_ended = !is_paid && placed.order.status != PENDING;
        let mut attempt = placed.attempt.clone();
        if let Some(checkout) = &attempt.checkout
            && (is_paid || (checkout.expires_at > now && !has_ended))
        {
            return Ok((attempt.number, checkout.clone()));
        }
        if is_paid {
            return Err(CheckoutError::PaidAlready);
        }
        let mut may_have_been_asked = placed.is_resumed;
        if has_ended
            || attempt.checkout.is_some()
            || attempt.started_at + TIME_TO_PAY < now + LEAST_TIME_TO_PAY
        {
            attempt = self.next_attempt(placed, attempt.number).await?;
            may_have_been_asked = false;
        }
        let mut made = self.domain.pages.make(self.new_page(placed, &attempt)).await;
        if made.as_ref().is_err_and(|failure| is_kept(failure, may_have_been_asked)) {
            attempt = self.next_attempt(placed, attempt.number).await?;
            made = self.domain.pages.make(self.new_page(placed, &attempt)).await;
        }
        let order_number = || placed.order.number.clone();
        made.map(|checkout| (attempt.number, checkout))
            .map_err(|failure| CheckoutError::Provider { order_number: order_number(), failure })
    }

    async fn attach(
        &mut self,
        placed: Placed,
        (attempt, checkout): (i32, CheckoutView),
        claim: Option<HeldClaim>,
    ) -> Result<StartedCheckout, CheckoutError> {
        let scope = self.asked.buyer.scope;
        let Placed { mut order, mut invoice, .. } = placed;
        if order.paid_at.is_none() && order.status != PENDING {
            // Another attempt was begun, and the order reopened with it.
            (order.status, invoice.status) = (PENDING.to_owned(), "OPEN".to_owned());
        }
        let started = StartedCheckout { order, invoice, checkout };
        let (order_id, checkout) = (started.order.id, started.checkout.clone());
        let outcome = Ok(started);
        let answer = claim.zip(self.rendered(&outcome)?);
        let attach = AttachCheckout { scope, order_id, attempt: Some(attempt), checkout, answer };
        ask(self.domain.orders.of(&scope), attach).await?;
        outcome
    }
}

/// A refusal whose claim, if the request has one, is still to be settled.
fn settled(
    error: CheckoutError,
    claim: Option<HeldClaim>,
    answer: Option<SavedAnswer>,
) -> NotPlaced<CheckoutError> {
    match claim {
        Some(claim) => NotPlaced::Settle { error, claim, answer },
        None => NotPlaced::Refused(error),
    }
}

/// Whether the provider keeps a failure under the attempt's key: it says so, or it fails at a request that it has been
/// asked before.
fn is_kept(failure: &PageFailure, was_asked_before: bool) -> bool {
    let earlier = u32::from(was_asked_before && failure.server_errors > 0);
    failure.replayed || failure.server_errors + earlier >= 2
}
