//! `POST /api/bookings`, with or without a session.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::{ApiError, Code};
use primetech_http::input::Input;
use primetech_http::input::sent::{EmailAddress, Line, Lines, Phone, Sku, Time};
use primetech_http::layers::address::ClientAddress;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::{CurrentTenant, MaybeSignedIn};
use primetech_http::once::{Rendered, answer, keyed};
use primetech_http::openapi::Doc;
use primetech_http::rate_limits::Bucket;
use primetech_kernel::ask::ask;

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

primetech_http::sent! {
    /// What is booked, and for whom.
    struct BookBody {
        service_sku: Sku = "setup-call",
        name: Line<1, 120> = "Jane Doe",
        email: EmailAddress,
        phone: Option<Phone>,
        scheduled_for: Option<Time>,
        notes: Option<Lines<1, 2000>> = "By video, please.",
    }
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
    let body = input.sent::<BookBody>()?;
    let (key, body) = input.finish((key, body))?;
    let BookBody { service_sku, name, email, phone, scheduled_for, notes } = body;
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
