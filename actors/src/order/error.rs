//! The refusals of checkouts.

use primetech_http::error::{ApiError, Code};

use super::provider::PageFailure;
use crate::counter::NotChargeable;
use crate::fault::Fault;

/// What is wrong with a page that no customer is sent to.
pub const RETURN_FORBIDDEN: &str = "must lead to the shop, its front end, or a site that the shop allows";

#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error("there is no such product")]
    ProductNotFound { sku: String },
    #[error("the customer must not be sent to these pages")]
    ReturnForbidden(Vec<&'static str>),
    #[error("the items are not all of one currency")]
    MixedCurrencies,
    #[error("the amounts cannot be charged")]
    NotChargeable(Vec<NotChargeable>),
    #[error("the numbers are used up")]
    NumbersExhausted,
    /// The order stands; the same key asks the provider again.
    #[error("the provider made no page: {failure}")]
    Provider { order_number: String, failure: PageFailure },
    #[error("the order of this key is paid already")]
    PaidAlready,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<&CheckoutError> for ApiError {
    fn from(error: &CheckoutError) -> Self {
        let invalid = || Self::new(Code::VALIDATION_ERROR);
        match error {
            CheckoutError::ProductNotFound { sku } => {
                Self::new(Code::PRODUCT_NOT_FOUND).meta("sku", sku.as_str())
            }
            CheckoutError::ReturnForbidden(fields) => {
                fields.iter().fold(invalid(), |error, name| error.field(*name, RETURN_FORBIDDEN))
            }
            CheckoutError::MixedCurrencies => invalid().field("items", "must all have the same currency"),
            CheckoutError::NotChargeable(faults) => faults.iter().fold(invalid(), |error, fault| {
                let message = match fault {
                    NotChargeable::Price { sku, fault } => format!("the price of {sku} {fault}"),
                    NotChargeable::Total(fault) => format!("the total {fault}"),
                };
                error.field("items", message)
            }),
            CheckoutError::NumbersExhausted => Self::new(Code::NUMBERS_EXHAUSTED),
            CheckoutError::Provider { order_number, failure } => Self::new(Code::PAYMENT_PROVIDER_ERROR)
                .meta("orderNumber", order_number.as_str())
                .caused_by(&failure.reason),
            CheckoutError::PaidAlready => {
                Self::new(Code::CONFLICT).message("The order of this Idempotency-Key is paid already.")
            }
            CheckoutError::Fault(fault) => fault.clone().into(),
        }
    }
}
