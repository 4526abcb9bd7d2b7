//! `POST /api/bookings`: with or without a session.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::booking::{Book, BookError, BookingView, WantedBooking};
use primetech_actors::fault::Fault;
use primetech_actors::idempotency::{IdempotencyClaim, KeptAnswer, Refused};
use utoipa::ToSchema;

use super::BookingAnswer;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::address::ClientAddress;
use crate::layers::facts::RequestId;
use crate::layers::permission::{CurrentTenant, MaybeSignedIn};
use crate::openapi::Doc;
use crate::routes::{Access, Endpoint};
use primetech_http::saved_answer::kept_answer;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/bookings", Access::Public, || web::to(handle)).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Book a service")
        .about("No session is needed. The customer is mailed at each change.")
        .idempotent()
        .body::<BookBody>()
        .answers::<BookingAnswer<'_>>(201, "The new booking.")
        .refuses(&[Code::PRODUCT_NOT_FOUND])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct BookBody {
    #[schema(example = "setup-call", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    service_sku: String,
    #[schema(example = "Jane Doe", min_length = 1, max_length = 120)]
    name: String,
    #[schema(example = "jane@example.com", format = Email, max_length = 254)]
    email: String,
    #[schema(example = "+44 20 7946 0000", max_length = 32)]
    phone: Option<String>,
    #[schema(example = "2027-01-31T12:00:00Z", format = DateTime)]
    scheduled_for: Option<String>,
    #[schema(example = "By video, please.", max_length = 2000)]
    notes: Option<String>,
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    MaybeSignedIn(session): MaybeSignedIn,
    client: ClientAddress,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.header("idempotency-key", rules::idempotency_key);
    let request_hash = input.fingerprint();
    let mut body = input.body()?;
    let service_sku = body.required("serviceSku", rules::sku);
    let name = body.required("name", rules::text(1..=120));
    let email = body.required("email", rules::email);
    let phone = body.optional("phone", rules::phone);
    let scheduled_for = body.optional("scheduledFor", rules::time);
    let notes = body.optional("notes", rules::lines(1..=2000));
    let (key, service_sku, name, email, phone, scheduled_for, notes) =
        input.finish((key, service_sku, name, email, phone, scheduled_for, notes))?;
    let claim = key.map(|key| {
        let owner = match &session {
            Some(session) => format!("user:{}", session.user.id),
            None => format!("address:{}", client.0),
        };
        IdempotencyClaim { owner, key, request_hash }
    });
    let not_found = ApiError::new(Code::PRODUCT_NOT_FOUND).meta("sku", service_sku.as_str());
    let product_not_found =
        KeptAnswer { status: not_found.code().status().as_u16(), body: not_found.body(&request_id.0) };
    let wanted = WantedBooking { service_sku, name, email, phone, scheduled_for, notes };
    let scope = tenant.scope();
    let book = Book {
        scope,
        wanted,
        claim,
        booked: answer,
        product_not_found,
        by_user_id: session.as_ref().map(|session| session.user.id),
        request_id: request_id.audited(),
    };
    match ask(state.actors.bookings.of(&scope), book).await {
        Ok(answer) => Ok(HttpResponse::Created().content_type("application/json").body(answer.body)),
        Err(BookError::ProductNotFound) => Err(not_found),
        Err(BookError::Refused(Refused::Replay(answer))) => kept_answer(answer),
        Err(BookError::Refused(Refused::InProgress)) => Err(ApiError::new(Code::IDEMPOTENCY_IN_PROGRESS)),
        Err(BookError::Refused(Refused::Reused)) => Err(ApiError::new(Code::IDEMPOTENCY_KEY_REUSED)),
        Err(BookError::Fault(fault)) => Err(fault.into()),
    }
}

fn answer(booking: &BookingView) -> Result<String, Fault> {
    serde_json::to_string(&BookingAnswer { booking }).map_err(|error| Fault::internal(error.to_string()))
}
