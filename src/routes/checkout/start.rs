//! `POST /api/checkout/start`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use primetech_actors::counter::{Buyer, WantedItem};
use primetech_actors::order::{
    CheckoutView, InvoiceView, OrderView, RETURN_FORBIDDEN, ReturnPages, StartCheckout, StartedCheckout,
};
use primetech_http::layers::address::ClientAddress;
use primetech_http::once::{Rendered, answer, keyed};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::rules::WrittenUrl;
use crate::input::sent::{Integer, Sent as _, Sku};
use crate::input::{Input, rules};
use crate::layers::facts::RequestId;
use crate::layers::origin::may_return_to;
use crate::layers::permission::{CurrentTenant, SignedIn};
use crate::openapi::Doc;
use crate::routes::Endpoint;

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

primetech_http::sent! {
    /// A product and how many of it.
    struct StartItem {
        sku: Sku,
        quantity: Integer<1, 999> = 2,
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Started)]
struct Answer<'a> {
    order: &'a OrderView,
    invoice: &'a InvoiceView,
    checkout: &'a CheckoutView,
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    CurrentTenant(tenant): CurrentTenant,
    client: ClientAddress,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.idempotency_key();
    let mut body = input.body()?;
    let items = body.list("items", 1..=50, StartItem::read);
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
    let claim = key.map(|key| key.claimed_by(Some(&session), client));
    let page = |written: Option<WrittenUrl>, default: &str| {
        written.map_or_else(|| state.config.front_end_url(default), |written| written.text)
    };
    let start = StartCheckout {
        buyer: Buyer::from(&*session),
        items: items
            .into_iter()
            .map(|StartItem { sku, quantity }| WantedItem {
                sku,
                quantity: i32::try_from(quantity).unwrap_or(i32::MAX),
            })
            .collect(),
        returns: ReturnPages {
            success_url: page(success_url, "checkout/success"),
            cancel_url: page(cancel_url, "checkout/cancelled"),
        },
        forbidden,
    };
    let start = keyed(session.scope(), start, claim, &request_id, render);
    answer(state.checkouts.start(start).await, render)
}

fn refuse_repeated(input: &mut Input, items: Option<&Vec<StartItem>>) {
    for (at, StartItem { sku, .. }) in items.into_iter().flatten().enumerate() {
        if items.is_some_and(|items| items[..at].iter().any(|earlier| earlier.sku == *sku)) {
            input.fault(&format!("items[{at}].sku"), "appears more than once; add up the quantities");
        }
    }
}

fn render(started: &StartedCheckout) -> Result<Rendered, ApiError> {
    let StartedCheckout { order, invoice, checkout } = started;
    Rendered::json(StatusCode::CREATED, &Answer { order, invoice, checkout })
}
