//! `POST /api/checkout/start` (Policy B): writes the order and its invoice, then asks the provider.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, rt, web};
use chrono::TimeDelta;
use primetech_actors::ask::ask;
use primetech_actors::caller::Session;
use primetech_actors::counter::{Buyer, NotChargeable, PlaceOrder, PlaceOrderError, Placed, WantedItem};
use primetech_actors::fault::Fault;
use primetech_actors::idempotency::{HeldClaim, IdempotencyClaim, Refused, SavedAnswer};
use primetech_actors::order::{
    AbandonClaim, AttachCheckout, Attempt, BeginAttempt, CheckoutView, InvoiceView, OrderView, ReturnPages,
    SettleClaim,
};
use primetech_actors::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::rules::WrittenUrl;
use crate::input::{Field, Input, rules};
use crate::integrations::stripe::{CheckoutLine, Failed, NewCheckoutSession};
use crate::layers::facts::RequestId;
use crate::layers::origin::may_return_to;
use crate::layers::permission::{CurrentTenant, SignedIn};
use crate::openapi::Doc;
use crate::routes::Endpoint;
use primetech_http::saved_answer::kept_answer;

/// How long a customer may take to pay, from the beginning of an attempt. The provider allows 24 hours from its own now:
/// an hour is left for a repeated request, whose parameters must be those of the first.
const TIME_TO_PAY: TimeDelta = TimeDelta::hours(23);

/// An attempt whose session would end sooner is given up for another one: the provider makes no session for less than 30
/// minutes by its own clock, and keeps the first answer under a key for 24 hours.
const LEAST_TIME_TO_PAY: TimeDelta = TimeDelta::minutes(40);

/// After so many seconds a key that nobody freed is free by itself.
const CLAIM_SECONDS: u32 = 60;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/checkout/start", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Place an order and get its payment page")
        .about(
            "Writes the order and its invoice at the catalogue's prices, then asks the payment provider for a page. \
             `successUrl` and `cancelUrl` must lead to the shop's own hosts, its front end, or a site that the shop \
             allows. They are sent to the provider unchanged; `{CHECKOUT_SESSION_ID}` in them stands for the session's \
             id. A total must be 0 or within the limits of its currency (`GET /v1/currencies`); otherwise the fault is \
             in `items`. After a 502 the order stays `PENDING`; repeat the request with the same Idempotency-Key to ask \
             the provider again for the same order. A known key decides before the catalogue and the allowed sites, \
             which may have changed since. `CONFLICT`: the order of the key is paid already, so there is no page to pay \
             it on.",
        )
        .idempotent()
        .body::<StartBody>()
        .answers::<Answer>(201, "The order. Send the customer to `checkout.url` to pay.")
        .refuses(&[
            Code::PRODUCT_NOT_FOUND,
            Code::PAYMENT_PROVIDER_ERROR,
            Code::NUMBERS_EXHAUSTED,
            Code::CONFLICT,
        ])
}

/// What is bought; all of one currency, a sku once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct StartBody {
    #[schema(min_items = 1, max_items = 50)]
    items: Vec<StartItem>,
    #[schema(example = "https://shop.example/thanks", format = "uri", max_length = 2048)]
    success_url: Option<String>,
    #[schema(example = "https://shop.example/cart", format = "uri", max_length = 2048)]
    cancel_url: Option<String>,
}

/// A product and how many of it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct StartItem {
    #[schema(example = "editor-pro", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    sku: String,
    #[schema(example = 2, minimum = 1, maximum = 999)]
    quantity: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Started)]
struct Answer<'a> {
    order: &'a OrderView,
    invoice: &'a InvoiceView,
    checkout: &'a CheckoutView,
}

/// A checkout that was asked for, checked.
struct Wanted {
    session: Arc<Session>,
    items: Vec<WantedItem>,
    returns: ReturnPages,
    /// Those of `successUrl` and `cancelUrl` that lead where no customer is sent.
    forbidden: Vec<&'static str>,
    claim: Option<IdempotencyClaim>,
    request_id: Rc<str>,
}

const RETURN_FORBIDDEN: &str = "must lead to the shop, its front end, or a site that the shop allows";

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    CurrentTenant(tenant): CurrentTenant,
    RequestId(request_id): RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.header("idempotency-key", rules::idempotency_key);
    let request_hash = input.fingerprint();
    let mut body = input.body()?;
    let items = body.list("items", 1..=50, |item| {
        let sku = item.required("sku", rules::sku);
        let quantity = item.integer("quantity", 1..=999);
        Field::all((sku, quantity))
    });
    let success_url = body.optional("successUrl", rules::written_url);
    let cancel_url = body.optional("cancelUrl", rules::written_url);
    refuse_repeated(&mut input, items.get());
    // Which sites are allowed may have changed since the key came first, so a known key decides before this. Beside other
    // faults it is told at once.
    let forbidden: Vec<&'static str> = [("successUrl", &success_url), ("cancelUrl", &cancel_url)]
        .into_iter()
        .filter(|(_, url)| {
            let leads_elsewhere = |written: &WrittenUrl| !may_return_to(&state.http, &tenant, &written.url);
            url.get().and_then(Option::as_ref).is_some_and(leads_elsewhere)
        })
        .map(|(name, _)| name)
        .collect();
    if input.is_faulty() {
        forbidden.iter().for_each(|name| input.fault(name, RETURN_FORBIDDEN));
    }
    let (key, items, success_url, cancel_url) = input.finish((key, items, success_url, cancel_url))?;
    let claim = key.map(|key| {
        let owner = format!("user:{}", session.user.id);
        IdempotencyClaim { owner, key, request_hash }
    });
    let page = |written: Option<WrittenUrl>, default: &str| {
        written.map_or_else(|| state.config.front_end_url(default), |written| written.text)
    };
    let wanted = Wanted {
        items: items
            .into_iter()
            .map(|(sku, quantity)| WantedItem { sku, quantity: i32::try_from(quantity).unwrap_or(i32::MAX) })
            .collect(),
        returns: ReturnPages {
            success_url: page(success_url, "checkout/success"),
            cancel_url: page(cancel_url, "checkout/cancelled"),
        },
        forbidden,
        session,
        claim,
        request_id,
    };
    // Goes on where the client goes away: an order that was written gets its Checkout Session.
    rt::spawn(start(state, wanted)).await.map_err(ApiError::internal)?
}

fn refuse_repeated(input: &mut Input, items: Option<&Vec<(String, u32)>>) {
    for (at, (sku, _)) in items.into_iter().flatten().enumerate() {
        if items.is_some_and(|items| items[..at].iter().any(|(earlier, _)| earlier == sku)) {
            input.fault(&format!("items[{at}].sku"), "appears more than once; add up the quantities");
        }
    }
}

async fn start(state: web::Data<State>, wanted: Wanted) -> Result<HttpResponse, ApiError> {
    let Wanted { session, items, returns, forbidden, claim, request_id } = wanted;
    let scope = session.scope();
    let counter = state.actors.counters.of(&scope);
    let order = PlaceOrder {
        buyer: Buyer::from(&*session),
        items,
        returns: returns.clone(),
        may_return: forbidden.is_empty(),
        claim: claim.clone(),
    };
    let placed = match ask(counter, order).await {
        Ok(placed) => placed,
        Err(PlaceOrderError::Fault(Fault::OutcomeUnknown)) => {
            abandon_when_possible(&state, scope, claim);
            return Err(Fault::OutcomeUnknown.into());
        }
        Err(PlaceOrderError::ReturnForbidden) => {
            let refusal = ApiError::new(Code::VALIDATION_ERROR);
            return Err(forbidden.iter().fold(refusal, |error, name| error.field(*name, RETURN_FORBIDDEN)));
        }
        Err(error) => return refuse(&state, scope, error, &request_id).await,
    };
    let (attempt, checkout) = match page_to_pay_on(&state, scope, &placed, &returns).await {
        Ok(made) => made,
        Err(refusal) => {
            free_when_possible(state, scope, placed.claim).await;
            return Err(refusal);
        }
    };
    let answer = Answer { order: &placed.order, invoice: &placed.invoice, checkout: &checkout };
    let body = serde_json::to_string(&answer).map_err(ApiError::internal)?;
    let kept = placed.claim.map(|claim| (claim, SavedAnswer { status: 201, body: body.clone() }));
    let attach =
        AttachCheckout { scope, order_id: placed.order.id, attempt: Some(attempt), checkout, answer: kept };
    if let Err(fault) = ask(state.actors.orders.of(&scope), attach).await {
        free_when_possible(state, scope, placed.claim).await;
        return Err(fault.into());
    }
    Ok(HttpResponse::Created().content_type("application/json").body(body))
}

/// The page that the order is paid on, and the attempt that it is of: the one that is known, or one that the provider is
/// asked for. What the provider keeps under an attempt's key it would only give again: then another attempt is made.
async fn page_to_pay_on(
    state: &State,
    scope: TenantScope,
    placed: &Placed,
    returns: &ReturnPages,
) -> Result<(i32, CheckoutView), ApiError> {
    let (now, is_paid) = (state.actors.clock.now(), placed.order.paid_at.is_some());
    let mut attempt = placed.attempt.clone();
    if let Some(checkout) = &attempt.checkout
        && (is_paid || checkout.expires_at > now)
    {
        return Ok((attempt.number, checkout.clone()));
    }
    if is_paid {
        return Err(
            ApiError::new(Code::CONFLICT).message("The order of this Idempotency-Key is paid already.")
        );
    }
    let mut may_have_been_asked = placed.is_resumed;
    if attempt.checkout.is_some() || attempt.started_at + TIME_TO_PAY < now + LEAST_TIME_TO_PAY {
        attempt = next_attempt(state, scope, placed, attempt.number).await?;
        may_have_been_asked = false;
    }
    let mut made = state.payments.try_checkout_session(&new_session(placed, scope, &attempt, returns)).await;
    if made.as_ref().is_err_and(|failed| is_kept(failed, may_have_been_asked)) {
        attempt = next_attempt(state, scope, placed, attempt.number).await?;
        made = state.payments.try_checkout_session(&new_session(placed, scope, &attempt, returns)).await;
    }
    match made {
        Ok(made) => {
            let checkout = CheckoutView { session_id: made.id, url: made.url, expires_at: made.expires_at };
            Ok((attempt.number, checkout))
        }
        Err(failed) => {
            let refusal =
                ApiError::new(Code::PAYMENT_PROVIDER_ERROR).meta("orderNumber", &*placed.order.number);
            Err(refusal.caused_by(failed.error))
        }
    }
}

/// Whether the provider keeps a failure under the attempt's key: it says so, or it fails at a request that it has been
/// asked before.
fn is_kept(failed: &Failed, was_asked_before: bool) -> bool {
    failed.replayed || failed.server_errors + u32::from(was_asked_before && failed.server_errors > 0) >= 2
}

async fn next_attempt(
    state: &State,
    scope: TenantScope,
    placed: &Placed,
    after: i32,
) -> Result<Attempt, ApiError> {
    let begin = BeginAttempt { scope, order_id: placed.order.id, after };
    Ok(ask(state.actors.orders.of(&scope), begin).await?)
}

fn new_session(
    placed: &Placed,
    scope: TenantScope,
    attempt: &Attempt,
    returns: &ReturnPages,
) -> NewCheckoutSession {
    // Those of the first request count.
    let ReturnPages { success_url, cancel_url } = attempt.returns.as_ref().unwrap_or(returns);
    let order_id = placed.order.id;
    NewCheckoutSession {
        // One attempt has one session, however often it is asked for.
        idempotency_key: match attempt.number {
            1 => format!("order-{order_id}"),
            number => format!("order-{order_id}-{number}"),
        },
        order_id,
        order_number: placed.order.number.clone(),
        tenant_id: scope.tenant_id(),
        currency: placed.order.currency.clone(),
        lines: placed
            .order
            .items
            .iter()
            .map(|item| CheckoutLine {
                name: item.name.clone(),
                unit_amount: item.unit_amount,
                quantity: item.quantity.unsigned_abs(),
            })
            .collect(),
        customer_email: Some(placed.invoice.bill_to.email.clone()),
        success_url: success_url.clone(),
        cancel_url: cancel_url.clone(),
        expires_at: attempt.started_at + TIME_TO_PAY,
    }
}

/// Keeps the answer for the request's key, or frees the key for another try.
async fn settle(
    state: &State,
    scope: TenantScope,
    claim: Option<HeldClaim>,
    answer: Option<SavedAnswer>,
) -> Result<(), ApiError> {
    if let Some(claim) = claim {
        ask(state.actors.orders.of(&scope), SettleClaim { scope, claim, answer }).await?;
    }
    Ok(())
}

/// Frees the key of a request that has ended without an answer to keep: the next one with it need not wait until this
/// one counts as dead. Where the answer was kept after all, that one gets it. What failed may have been the database,
/// so it is tried until the claim would have run out by itself.
async fn free_when_possible(state: web::Data<State>, scope: TenantScope, claim: Option<HeldClaim>) {
    if settle(&state, scope, claim, None).await.is_ok() {
        return;
    }
    rt::spawn(async move {
        for _ in 0..CLAIM_SECONDS {
            rt::time::sleep(Duration::from_secs(1)).await;
            if settle(&state, scope, claim, None).await.is_ok() {
                return;
            }
        }
    });
}

/// The same for a request that does not know whether it has its key: whether its order was written could not be found
/// out, because the database was gone.
fn abandon_when_possible(state: &State, scope: TenantScope, claim: Option<IdempotencyClaim>) {
    let Some(claim) = claim else { return };
    let orders = state.actors.orders.of(&scope).clone();
    let abandon = AbandonClaim { scope, claim, at: state.actors.clock.now() };
    rt::spawn(async move {
        for _ in 0..CLAIM_SECONDS {
            if ask(&orders, abandon.clone()).await.is_ok() {
                return;
            }
            rt::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

async fn refuse(
    state: &State,
    scope: TenantScope,
    error: PlaceOrderError,
    request_id: &str,
) -> Result<HttpResponse, ApiError> {
    Err(match error {
        PlaceOrderError::ProductNotFound { sku, claim } => {
            let refusal = ApiError::new(Code::PRODUCT_NOT_FOUND).meta("sku", sku);
            let kept = SavedAnswer { status: StatusCode::NOT_FOUND.as_u16(), body: refusal.body(request_id) };
            settle(state, scope, claim, Some(kept)).await?;
            refusal
        }
        PlaceOrderError::NumbersExhausted { claim } => {
            settle(state, scope, claim, None).await?;
            ApiError::new(Code::NUMBERS_EXHAUSTED)
        }
        PlaceOrderError::ReturnForbidden => ApiError::new(Code::VALIDATION_ERROR),
        PlaceOrderError::MixedCurrencies => {
            ApiError::new(Code::VALIDATION_ERROR).field("items", "must all have the same currency")
        }
        PlaceOrderError::NotChargeable(faults) => {
            faults.iter().fold(ApiError::new(Code::VALIDATION_ERROR), |error, fault| {
                let message = match fault {
                    NotChargeable::Price { sku, fault } => format!("the price of {sku} {fault}"),
                    NotChargeable::Total(fault) => format!("the total {fault}"),
                };
                error.field("items", message)
            })
        }
        PlaceOrderError::Refused(Refused::Replay(answer)) => return kept_answer(answer),
        PlaceOrderError::Refused(Refused::InProgress) => ApiError::new(Code::IDEMPOTENCY_IN_PROGRESS),
        PlaceOrderError::Refused(Refused::Reused) => ApiError::new(Code::IDEMPOTENCY_KEY_REUSED),
        PlaceOrderError::Fault(fault) => fault.into(),
    })
}
