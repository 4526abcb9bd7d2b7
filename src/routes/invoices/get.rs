//! `GET /api/invoices/{invNumber}`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::InvoiceNumber;
use primetech_actors::order::{GetInvoice, InvoiceView, Viewer};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::Input;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/invoices/{invNumber}", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get an invoice")
        .path("invNumber", "The invoice number.", schemas::invoice_number())
        .answers::<InvoiceAnswer>(200, "The invoice.")
        .refuses(&[Code::NOT_FOUND])
}

#[derive(Serialize, ToSchema)]
struct InvoiceAnswer {
    invoice: InvoiceView,
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let number = input.path("invNumber", InvoiceNumber::parse);
    let (number,) = input.finish((number,))?;
    let viewer = Viewer::from(&*session);
    let found = ask(state.actors.orders.of(&viewer.scope), GetInvoice { viewer, number }).await?;
    let invoice = found.ok_or_else(|| ApiError::new(Code::NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(InvoiceAnswer { invoice }))
}
