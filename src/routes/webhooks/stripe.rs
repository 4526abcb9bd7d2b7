//! `POST /api/webhooks/stripe`: 200 if the outcome is stored; 500 if another delivery can succeed.

use actix_web::{HttpRequest, HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::fault::Fault;
use primetech_actors::webhook::{Deliver, contended_by};
use primetech_stripe::signature;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::layers::raw_body::RawBody;
use crate::openapi::Doc;
use crate::routes::{Endpoint, Expects};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/webhooks/stripe", handle).expecting(Expects::RawBody).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Receive an event from Stripe")
        .about(
            "The event is signed by `Stripe-Signature`, scheme v1. 200 means that the outcome is stored, also for a \
             duplicate or an ignored event. 500 means that another delivery can succeed.",
        )
        .header(
            "Stripe-Signature",
            "The signature of the raw body, at most 300 s old.",
            json!({"type": "string", "example": "t=1769860800,v1=5257a869"}),
        )
        .raw_body("application/json", json!({"type": "object", "example": {"id": "evt_1", "object": "event"}}))
        .answers::<ReceivedAnswer>(200, "Received.")
        .refuses(&[Code::INVALID_SIGNATURE, Code::WEBHOOK_PROCESSING_FAILED])
}

#[derive(Serialize, ToSchema)]
struct ReceivedAnswer {
    received: bool,
}

async fn handle(
    state: web::Data<State>,
    request: HttpRequest,
    RawBody(body): RawBody,
) -> Result<HttpResponse, ApiError> {
    let mut signatures = request.headers().get_all("stripe-signature");
    let (Some(Ok(header)), None) = (signatures.next().map(|value| value.to_str()), signatures.next()) else {
        return Err(ApiError::new(Code::INVALID_SIGNATURE));
    };
    let now = state.actors.clock.now();
    signature::verify(header, &body, &state.config.stripe.webhook_secrets, now)
        .map_err(|error| ApiError::new(Code::INVALID_SIGNATURE).caused_by(error))?;
    let payload = String::from_utf8_lossy(&body).into_owned();
    let actor = state.actors.webhooks.of(&contended_by(&payload));
    match ask(actor, Deliver { payload }).await {
        Ok(_) => Ok(HttpResponse::Ok().json(ReceivedAnswer { received: true })),
        Err(Fault::Overloaded) => Err(ApiError::new(Code::OVERLOADED)),
        Err(fault) => Err(ApiError::new(Code::WEBHOOK_PROCESSING_FAILED).caused_by(fault)),
    }
}
