//! Sends a saved answer again, byte for byte.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use primetech_kernel::idempotency::SavedAnswer;
use serde_json::Value;

use crate::error::ApiError;
use crate::layers::canonical::KeptCanonical;
use crate::layers::facts::REQUEST_ID;

/// The first answer to a request, with `idempotency-replayed: true`. A kept refusal bears the id that its body names.
pub fn kept_answer(answer: SavedAnswer) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::from_u16(answer.status).map_err(ApiError::internal)?;
    let mut response = HttpResponse::build(status)
        .content_type("application/json")
        .insert_header(("idempotency-replayed", "true"))
        .body(answer.body.clone());
    if !status.is_success() {
        let body: Value = serde_json::from_str(&answer.body).map_err(ApiError::internal)?;
        let request_id = body["error"]["details"]["meta"]["requestId"].as_str().unwrap_or_default();
        let request_id = HeaderValue::from_str(request_id).map_err(ApiError::internal)?;
        response.headers_mut().insert(REQUEST_ID, request_id);
        response.extensions_mut().insert(KeptCanonical);
    }
    Ok(response)
}
