//! `PATCH /api/admin/bookings/{bkgRef}`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::booking::{BookingDetails, BookingStatus, MoveBooking, MoveError};
use primetech_actors::identifiers::BookingRef;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::facts::RequestId;
use crate::layers::permission::Admin;
use crate::openapi::{Doc, schemas};
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::patch("/api/admin/bookings/{bkgRef}", Access::Admin, || web::to(handle)).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Move a booking on")
        .about(
            "`NEW` to `CONFIRMED` to `IN_PROGRESS` to `COMPLETED`; `CANCELLED` from `NEW` or `CONFIRMED` only. The \
             customer is mailed. `meta` of `BOOKING_INVALID_TRANSITION` has `from`, `to` and what is `allowed`.",
        )
        .path("bkgRef", "The booking's reference.", schemas::booking_ref())
        .body::<MoveBody>()
        .answers::<MovedAnswer>(200, "The booking as it is now.")
        .refuses(&[Code::BOOKING_NOT_FOUND, Code::BOOKING_INVALID_TRANSITION])
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
    state: web::Data<State>,
    Admin(session): Admin,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let reference = input.path("bkgRef", BookingRef::parse);
    let mut body = input.body()?;
    let to = body.required("status", BookingStatus::parse);
    let note = body.optional("note", rules::lines(1..=2000));
    let (reference, to, note) = input.finish((reference, to, note))?;
    let scope = session.scope();
    let by_email = session.user.email.clone();
    let message = MoveBooking {
        scope,
        reference,
        to,
        note,
        by_user_id: session.user.id,
        by_email,
        request_id: request_id.audited(),
    };
    let booking = ask(state.actors.bookings.of(&scope), message).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(MovedAnswer { booking }))
}

fn refusal(error: MoveError) -> ApiError {
    match error {
        MoveError::NotFound => ApiError::new(Code::BOOKING_NOT_FOUND),
        MoveError::InvalidTransition { from, to } => {
            let allowed: Vec<&str> = from.allowed().iter().map(|status| status.as_str()).collect();
            ApiError::new(Code::BOOKING_INVALID_TRANSITION)
                .meta("from", from.as_str())
                .meta("to", to.as_str())
                .meta("allowed", allowed)
        }
        MoveError::Fault(fault) => fault.into(),
    }
}
