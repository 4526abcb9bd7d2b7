//! `PATCH /api/admin/bookings/{bkgRef}`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::Admin;
use primetech_http::openapi::{Doc, schemas};
use primetech_kernel::identifiers::BookingRef;
use serde::Serialize;
use utoipa::ToSchema;

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

/// What is sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct MoveBody {
    #[schema(example = "CONFIRMED")]
    status: BookingStatus,
    #[schema(example = "See you then.", max_length = 2000)]
    note: Option<String>,
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
    let mut body = input.body()?;
    let to = body.required("status", BookingStatus::parse);
    let note = body.optional("note", rules::lines(1..=2000));
    let (reference, to, note) = input.finish((reference, to, note))?;
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
