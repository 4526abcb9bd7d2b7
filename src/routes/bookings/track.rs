//! `GET /api/bookings/track`: for whoever knows the reference and the address it was made with.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::booking::TrackBooking;
use primetech_actors::identifiers::BookingRef;
use serde_json::json;

use super::BookingAnswer;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::openapi::{Doc, schemas};
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/bookings/track", Access::Public, || web::to(handle)).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Track a booking")
        .about("A wrong address is answered as an unknown reference is.")
        .required_query("bkgRef", "The booking's reference.", schemas::booking_ref())
        .required_query(
            "email",
            "The address it was made with.",
            json!({"type": "string", "format": "email", "example": "jane@example.com"}),
        )
        .answers::<BookingAnswer<'_>>(200, "The booking.")
        .refuses(&[Code::BOOKING_NOT_FOUND])
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let reference = input.required_query("bkgRef", BookingRef::parse);
    let email = input.required_query("email", rules::email);
    let (reference, email) = input.finish((reference, email))?;
    let scope = tenant.scope();
    let found = ask(state.actors.bookings.of(&scope), TrackBooking { scope, reference, email }).await?;
    let booking = found.ok_or_else(|| ApiError::new(Code::BOOKING_NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(BookingAnswer { booking: &booking }))
}
