//! `POST /api/checkout/start` (Policy B): writes the order and its invoice, then asks the provider.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, rt, web};
use chrono::TimeDelta;
use primetech_actors::ask::ask;
use primetech_actors::counter::{Buyer, NotChargeable, PlaceOrder, PlaceOrderError, Placed, WantedItem};
use primetech_actors::fault::Fault;
use primetech_actors::idempotency::{HeldClaim, IdempotencyClaim, Refused, SavedAnswer};
use primetech_actors::order::{
    AbandonClaim, AttachCheckout, CheckoutView, InvoiceView, OrderView, SettleClaim,
};
use primetech_actors::session::Session;
use primetech_actors::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::rules::WrittenUrl;
use crate::input::{Field, Input, rules};
use crate::integrations::stripe::{CheckoutLine, NewCheckoutSession};
use crate::layers::facts::RequestId;
use crate::layers::origin::may_return_to;
use crate::layers::permission::{CurrentTenant, SignedIn};
use crate::openapi::Doc;
use crate::routes::Endpoint;
use primetech_http::saved_answer::kept_answer;

/// How long a customer may take to pay. The provider allows 24 hours from its own now: an hour is left for a repeated
/// request, whose parameters must be those of the first.
const TIME_TO_PAY: TimeDelta = TimeDelta::hours(23);

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
             the provider again for the same order.",
        )
        .idempotent()
        .body::<StartBody>()
        .answers::<Answer>(201, "The order. Send the customer to `checkout.url` to pay.")
        .refuses(&[Code::PRODUCT_NOT_FOUND, Code::PAYMENT_PROVIDER_ERROR, Code::NUMBERS_EXHAUSTED])
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
    success_url: String,
    cancel_url: String,
    claim: Option<IdempotencyClaim>,
    request_id: Rc<str>,
}

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
    for (name, url) in [("successUrl", &success_url), ("cancelUrl", &cancel_url)] {
        let leads_elsewhere = |written: &WrittenUrl| !may_return_to(&state.http, &tenant, &written.url);
        if url.get().and_then(Option::as_ref).is_some_and(leads_elsewhere) {
            input.fault(name, "must lead to the shop, its front end, or a site that the shop allows");
        }
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
        success_url: page(success_url, "checkout/success"),
        cancel_url: page(cancel_url, "checkout/cancelled"),
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
    let Wanted { session, items, success_url, cancel_url, claim, request_id } = wanted;
    let scope = session.scope();
    let counter = state.actors.counters.of(&scope);
    let order = PlaceOrder { buyer: Buyer::from(&*session), items, claim: claim.clone() };
    let placed = match ask(counter, order).await {
        Ok(placed) => placed,
        Err(PlaceOrderError::Fault(Fault::OutcomeUnknown)) => {
            abandon_when_possible(&state, scope, claim);
            return Err(Fault::OutcomeUnknown.into());
        }
        Err(error) => return refuse(&state, scope, error, &request_id).await,
    };
    let checkout = match state
        .payments
        .create_checkout_session(&new_session(&placed, scope, success_url, cancel_url))
        .await
    {
        Ok(made) => CheckoutView { session_id: made.id, url: made.url, expires_at: made.expires_at },
        Err(error) => {
            free_when_possible(state, scope, placed.claim).await;
            let refusal =
                ApiError::new(Code::PAYMENT_PROVIDER_ERROR).meta("orderNumber", placed.order.number);
            return Err(refusal.caused_by(error));
        }
    };
    let answer = Answer { order: &placed.order, invoice: &placed.invoice, checkout: &checkout };
    let body = serde_json::to_string(&answer).map_err(ApiError::internal)?;
    let kept = placed.claim.map(|claim| (claim, SavedAnswer { status: 201, body: body.clone() }));
    let attach = AttachCheckout { scope, order_id: placed.order.id, checkout, answer: kept };
    if let Err(fault) = ask(state.actors.orders.of(&scope), attach).await {
        free_when_possible(state, scope, placed.claim).await;
        return Err(fault.into());
    }
    Ok(HttpResponse::Created().content_type("application/json").body(body))
}

fn new_session(
    placed: &Placed,
    scope: TenantScope,
    success_url: String,
    cancel_url: String,
) -> NewCheckoutSession {
    NewCheckoutSession {
        // One order has one session, however often it is asked for.
        idempotency_key: format!("order-{}", placed.order.id),
        order_id: placed.order.id,
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
        success_url,
        cancel_url,
        expires_at: placed.order.created_at + TIME_TO_PAY,
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
