//! `PATCH /api/admin/bookings/{bkgRef}`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::input::rules::Flaw;
use primetech_http::input::sent::{Lines, ObjectBuilder, Text};
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::Admin;
use primetech_http::openapi::{Doc, schemas};
use primetech_kernel::identifiers::BookingRef;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Type;

use crate::domain::Bookings;
use crate::error::{BOOKING_INVALID_TRANSITION, BOOKING_NOT_FOUND};
use crate::messages::{BookingDetails, MoveBooking};
use crate::status::BookingStatus;

pub fn endpoint() -> Endpoint {
    Endpoint::patch("/api/admin/bookings/{bkgRef}", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Change the status of a booking")
        .about(
            "A booking goes from `NEW` to `CONFIRMED` to `IN_PROGRESS` to `COMPLETED`. It can become `CANCELLED` from \
             `NEW` or `CONFIRMED` only. The customer gets a mail. `meta` of `BOOKING_INVALID_TRANSITION` has `from`, \
             `to` and the `allowed` statuses.",
        )
        .path("bkgRef", "The booking's reference.", schemas::booking_ref())
        .body::<MoveBody>()
        .answers::<MovedAnswer>(200, "The changed booking.")
        .refuses(&[BOOKING_NOT_FOUND, BOOKING_INVALID_TRANSITION])
}

primetech_http::sent! {
    /// The status that follows.
    struct MoveBody {
        status: BookingStatus,
        /// For the customer.
        note: Option<Lines<1, 2000>> = "See you then.",
    }
}

impl Text for BookingStatus {
    type Value = Self;

    fn judge(text: &str) -> Result<Self, Flaw> {
        Self::parse(text).map_err(Flaw::from)
    }

    fn schema() -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.map(Self::as_str)))
            .examples([Self::Confirmed.as_str()])
    }
}

#[derive(Serialize, ToSchema)]
struct MovedAnswer {
    booking: BookingDetails,
}

async fn handle(
    bookings: web::Data<Bookings>,
    Admin(session): Admin,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let reference = input.path("bkgRef", BookingRef::parse);
    let body = input.sent::<MoveBody>()?;
    let (reference, MoveBody { status: to, note }) = input.finish((reference, body))?;
    let by_email = session.user.email.clone();
    let wanted = MoveBooking {
        scope: session.scope(),
        reference,
        to,
        note,
        by_user_id: session.user.id,
        by_email,
        request_id: request_id.audited(),
    };
    let booking = bookings.move_on(&wanted).await?;
    Ok(HttpResponse::Ok().json(MovedAnswer { booking }))
}
