//! `POST /api/bookings`, with or without a session.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::{ApiError, Code};
use primetech_http::input::{Input, rules};
use primetech_http::layers::address::ClientAddress;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::{CurrentTenant, MaybeSignedIn};
use primetech_http::once::{Rendered, answer, keyed};
use primetech_http::openapi::Doc;
use primetech_http::rate_limits::Bucket;
use primetech_kernel::ask::ask;
use utoipa::ToSchema;

use super::BookingAnswer;
use crate::domain::Bookings;
use crate::messages::{Book, BookingView, WantedBooking};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/bookings", handle)
        // It mails whom the caller likes.
        .counted_in(Bucket::Auth)
        .documented(doc)
}

fn doc() -> Doc {
    Doc::new("Book a service")
        .about(
            "Needs no session. The customer gets a mail about each change, but at most 3 about new bookings in an hour. \
             Counts with the calls that send mail.",
        )
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
    bookings: web::Data<Bookings>,
    CurrentTenant(tenant): CurrentTenant,
    MaybeSignedIn(session): MaybeSignedIn,
    client: ClientAddress,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.idempotency_key();
    let mut body = input.body()?;
    let service_sku = body.required("serviceSku", rules::sku);
    let name = body.required("name", rules::text(1..=120));
    let email = body.required("email", rules::email);
    let phone = body.optional("phone", rules::phone);
    let scheduled_for = body.optional("scheduledFor", rules::time);
    let notes = body.optional("notes", rules::lines(1..=2000));
    let (key, service_sku, name, email, phone, scheduled_for, notes) =
        input.finish((key, service_sku, name, email, phone, scheduled_for, notes))?;
    let claim = key.map(|key| key.claimed_by(session.as_deref(), client));
    let book = Book {
        scope: tenant.scope(),
        wanted: WantedBooking { service_sku, name, email, phone, scheduled_for, notes },
        by_user_id: session.as_ref().map(|session| session.user.id),
        request_id: request_id.audited(),
    };
    let book = keyed(tenant.scope(), book, claim, &request_id, render);
    answer(ask(bookings.actors.of(&tenant.scope()), book).await, render)
}

fn render(booking: &BookingView) -> Result<Rendered, ApiError> {
    Rendered::json(StatusCode::CREATED, &BookingAnswer { booking })
}
