//! The refusals of bookings and their error codes.

use actix_web::http::StatusCode;
use primetech_http::error::{ApiError, Code};
use primetech_kernel::fault::Fault;

use crate::status::BookingStatus;

/// No booking has this reference and address.
pub const BOOKING_NOT_FOUND: Code =
    Code::new("BOOKING_NOT_FOUND", StatusCode::NOT_FOUND, "The booking does not exist.");

/// The booking's status does not allow this one to follow.
pub const BOOKING_INVALID_TRANSITION: Code = Code::new(
    "BOOKING_INVALID_TRANSITION",
    StatusCode::CONFLICT,
    "The booking cannot change to this status.",
);

pub const CODES: &[Code] = &[BOOKING_NOT_FOUND, BOOKING_INVALID_TRANSITION];

#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error("the sku is no service")]
    ProductNotFound { sku: String },
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<&BookError> for ApiError {
    fn from(error: &BookError) -> Self {
        match error {
            BookError::ProductNotFound { sku } => {
                Self::new(Code::PRODUCT_NOT_FOUND).meta("sku", sku.as_str())
            }
            BookError::Fault(fault) => fault.clone().into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("there is no such booking")]
    NotFound,
    #[error("a booking cannot go from {from:?} to {to:?}")]
    InvalidTransition { from: BookingStatus, to: BookingStatus },
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<MoveError> for ApiError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::NotFound => Self::new(BOOKING_NOT_FOUND),
            MoveError::InvalidTransition { from, to } => {
                let allowed: Vec<&str> = from.allowed().iter().map(|status| status.as_str()).collect();
                Self::new(BOOKING_INVALID_TRANSITION)
                    .meta("from", from.as_str())
                    .meta("to", to.as_str())
                    .meta("allowed", allowed)
            }
            MoveError::Fault(fault) => fault.into(),
        }
    }
}
