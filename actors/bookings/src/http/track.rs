//! `GET /api/bookings/track`, for anyone who knows the reference and the e-mail address of a booking.

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::{Doc, schemas};
use primetech_kernel::identifiers::BookingRef;
use serde_json::json;

use super::BookingAnswer;
use crate::domain::Bookings;
use crate::error::BOOKING_NOT_FOUND;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/bookings/track", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Track a booking")
        .about("A wrong address gets the same answer as an unknown reference.")
        .required_query("bkgRef", "The booking's reference.", schemas::booking_ref())
        .required_query(
            "email",
            "The e-mail address of the booking.",
            json!({"type": "string", "format": "email", "example": "jane@example.com"}),
        )
        .answers::<BookingAnswer<'_>>(200, "The booking.")
        .refuses(&[BOOKING_NOT_FOUND])
}

async fn handle(
    bookings: web::Data<Bookings>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let reference = input.required_query("bkgRef", BookingRef::parse);
    let email = input.required_query("email", rules::email);
    let (reference, email) = input.finish((reference, email))?;
    let found = bookings.track(&tenant.scope(), &reference, &email).await?;
    let booking = found.ok_or_else(|| ApiError::new(BOOKING_NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(BookingAnswer { booking: &booking }))
}
