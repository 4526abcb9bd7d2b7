//! `GET /api/orders`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::order::{ListOrders, OrderView, Viewer};

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::input::page::ListAnswer;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, PageOf};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/orders", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("List orders")
        .about("A customer gets their own orders, an administrator all orders of the shop.")
        .paged()
        .answers::<PageOf<OrderView>>(200, "A page of orders.")
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let viewer = Viewer::from(&*session);
    let orders = ask(state.actors.orders.of(&viewer.scope), ListOrders { viewer, page }).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(orders)))
}
