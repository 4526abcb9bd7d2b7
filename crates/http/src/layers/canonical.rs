//! Turns every refusal into the canonical error, whether a handler, a layer, actix-web or a panic caused it.

use std::any::Any;

use actix_web::body::BoxBody;
use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpResponse};

use super::outcome::{Outcome, timed_out};
use crate::error::{ApiError, Code};

/// Marks (in a response's extensions) an error whose body is canonical already: the kept answer to an idempotency
/// key, byte for byte. It bears its own `x-request-id`.
#[derive(Debug, Clone, Copy)]
pub struct KeptCanonical;

pub(super) fn answer(outcome: Outcome, method: &Method, request_id: &str) -> HttpResponse {
    match outcome {
        Outcome::Answered(response) => checked(response.into_parts().1, request_id),
        Outcome::Failed(error) => match error.as_error::<ApiError>() {
            Some(error) => rendered(error.clone(), None, request_id),
            None => rendered(foreign(&error), None, request_id),
        },
        Outcome::TimedOut => rendered(timed_out(method), None, request_id),
        Outcome::Panic(payload) => {
            // Where it panicked was logged by the panic hook, within this request's span.
            rendered(ApiError::internal(panic_message(&*payload)), None, request_id)
        }
    }
}

fn checked(response: HttpResponse, request_id: &str) -> HttpResponse {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || response.extensions().get::<KeptCanonical>().is_some() {
        return response;
    }
    let error = match response.error() {
        Some(error) => match error.as_error::<ApiError>() {
            Some(error) => error.clone(),
            None => foreign(error),
        },
        None => ApiError::new(code_of(status)),
    };
    rendered(error, Some(response), request_id)
}

/// Writes the error into the response that carried it, so that its headers (cookies, cross-origin) stay.
fn rendered(error: ApiError, carrier: Option<HttpResponse>, request_id: &str) -> HttpResponse {
    log(&error);
    let mut response = carrier.unwrap_or_else(|| HttpResponse::new(error.code().status()));
    *response.status_mut() = error.code().status();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().remove(header::CONTENT_ENCODING);
    error.write_headers(response.headers_mut());
    response.set_body(BoxBody::new(error.body(request_id)))
}

/// The one place where a failure's cause is logged. Refusals that are the client's own are in the access log only.
fn log(error: &ApiError) {
    let cause = error.cause().unwrap_or("-");
    if error.code() == Code::INTERNAL_ERROR || error.code() == Code::WEBHOOK_PROCESSING_FAILED {
        tracing::error!(code = error.code().as_str(), cause, "a request failed");
    } else if error.code().status().is_server_error() {
        tracing::warn!(code = error.code().as_str(), cause, "a request could not be served");
    }
}

/// An error of actix-web itself.
fn foreign(error: &Error) -> ApiError {
    let code = code_of(error.as_response_error().status_code());
    let canonical = ApiError::new(code);
    if code == Code::INTERNAL_ERROR { canonical.caused_by(error) } else { canonical }
}

fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::AUTH_REQUIRED,
        StatusCode::FORBIDDEN => Code::FORBIDDEN,
        StatusCode::NOT_FOUND => Code::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => Code::METHOD_NOT_ALLOWED,
        StatusCode::CONFLICT => Code::CONFLICT,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS => Code::RATE_LIMITED,
        StatusCode::SERVICE_UNAVAILABLE => Code::OVERLOADED,
        StatusCode::GATEWAY_TIMEOUT => Code::OUTCOME_UNKNOWN,
        status if status.is_client_error() => Code::VALIDATION_ERROR,
        _ => Code::INTERNAL_ERROR,
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of another type");
    format!("panic: {text}")
}
