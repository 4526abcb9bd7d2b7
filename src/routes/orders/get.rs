//! `GET /api/orders/{orderId}`: by UUID or ORD number.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::OrderNumber;
use primetech_actors::order::{GetOrder, OrderRef, OrderView, Viewer};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/orders/{orderId}", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get an order")
        .path("orderId", "The order's id or number.", schemas::order_id())
        .answers::<OrderAnswer>(200, "The order.")
        .refuses(&[Code::NOT_FOUND])
}

#[derive(Serialize, ToSchema)]
struct OrderAnswer {
    order: OrderView,
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let order = input.path("orderId", order_ref);
    let (order,) = input.finish((order,))?;
    let viewer = Viewer::from(&*session);
    let found = ask(state.actors.orders.of(&viewer.scope), GetOrder { viewer, order }).await?;
    let order = found.ok_or_else(|| ApiError::new(Code::NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(OrderAnswer { order }))
}

fn order_ref(text: &str) -> Result<OrderRef, &'static str> {
    if let Ok(number) = OrderNumber::parse(text) {
        return Ok(OrderRef::Number(number));
    }
    rules::uuid(text).map(OrderRef::Id).map_err(|_| "must be a UUID or a number such as ORD-20260131-7K2P")
}
