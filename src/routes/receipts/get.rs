//! `GET /api/receipts/{rcpNumber}`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::ReceiptNumber;
use primetech_actors::order::{GetReceipt, ReceiptView, Viewer};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::Input;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/receipts/{rcpNumber}", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get a receipt")
        .path("rcpNumber", "The receipt number.", schemas::receipt_number())
        .answers::<ReceiptAnswer>(200, "The receipt.")
        .refuses(&[Code::NOT_FOUND])
}

#[derive(Serialize, ToSchema)]
struct ReceiptAnswer {
    receipt: ReceiptView,
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let number = input.path("rcpNumber", ReceiptNumber::parse);
    let (number,) = input.finish((number,))?;
    let viewer = Viewer::from(&*session);
    let found = ask(state.actors.orders.of(&viewer.scope), GetReceipt { viewer, number }).await?;
    let receipt = found.ok_or_else(|| ApiError::new(Code::NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(ReceiptAnswer { receipt }))
}
