//! `POST /api/receipts/{rcpNumber}/pdf`

use actix_web::{HttpResponse, web};
use primetech_actors::document::DocumentSubject;
use primetech_actors::identifiers::ReceiptNumber;

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::{Endpoint, pdf};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/receipts/{rcpNumber}/pdf", handle).documented(doc)
}

fn doc() -> Doc {
    pdf::doc("Get a URL to a receipt's PDF").path(
        "rcpNumber",
        "The receipt number.",
        schemas::receipt_number(),
    )
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let number = input.path("rcpNumber", ReceiptNumber::parse);
    let (number,) = input.finish((number,))?;
    pdf::answer(&state, &session, DocumentSubject::Receipt(number)).await
}
