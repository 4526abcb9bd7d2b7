//! What became of a request, before an answer is made of it.

use std::any::Any;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;

use crate::error::{ApiError, Code};

/// What became of a request.
pub(super) enum Outcome {
    Answered(ServiceResponse<BoxBody>),
    Failed(Error),
    TimedOut,
    Panic(Box<dyn Any + Send>),
}

/// What a request that took too long is told. A read changed nothing; a write may have.
pub(super) fn timed_out(method: &Method) -> ApiError {
    let code = if method.is_safe() { Code::OVERLOADED } else { Code::OUTCOME_UNKNOWN };
    ApiError::new(code).caused_by("the request took too long")
}
