//! `POST /api/invoices/{invNumber}/pdf`

use actix_web::{HttpResponse, web};
use primetech_actors::document::DocumentSubject;
use primetech_actors::identifiers::InvoiceNumber;

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::{Endpoint, pdf};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/invoices/{invNumber}/pdf", handle).documented(doc)
}

fn doc() -> Doc {
    pdf::doc("Get a URL to an invoice's PDF").path(
        "invNumber",
        "The invoice number.",
        schemas::invoice_number(),
    )
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let number = input.path("invNumber", InvoiceNumber::parse);
    let (number,) = input.finish((number,))?;
    pdf::answer(&state, &session, DocumentSubject::Invoice(number)).await
}
