//! What is refused, and how that is answered.

use actix_web::http::StatusCode;
use primetech_http::error::{ApiError, Code};
use primetech_kernel::fault::Fault;

/// The customer has fewer points than are to be redeemed.
pub const LOYALTY_NOT_ENOUGH_POINTS: Code =
    Code::new("LOYALTY_NOT_ENOUGH_POINTS", StatusCode::CONFLICT, "There are not enough points.");

pub const CODES: &[Code] = &[LOYALTY_NOT_ENOUGH_POINTS];

#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    #[error("there are {balance} points")]
    NotEnoughPoints { balance: i64 },
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<&RedeemError> for ApiError {
    fn from(error: &RedeemError) -> Self {
        match error {
            RedeemError::NotEnoughPoints { balance } => {
                Self::new(LOYALTY_NOT_ENOUGH_POINTS).meta("points", *balance)
            }
            RedeemError::Fault(fault) => fault.clone().into(),
        }
    }
}
