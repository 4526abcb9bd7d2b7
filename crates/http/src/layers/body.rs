//! Reads a body within its limits of size and time.

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::{ApiError, Code};
use crate::limits::Limits;

/// Takes the whole body, counted while it arrives.
pub(super) async fn read(
    request: &mut ServiceRequest,
    largest: usize,
    limits: &Limits,
) -> Result<Bytes, ApiError> {
    let declared = declared_length(request);
    let mut payload = request.take_payload();
    // What is left of a refused body, the HTTP library reads and throws away while it closes the connection, so that
    // the client gets to read its refusal.
    if declared.is_some_and(|length| length > largest as u64) {
        return Err(ApiError::new(Code::PAYLOAD_TOO_LARGE));
    }
    let mut body = BytesMut::new();
    let arrival = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(broken)?;
            if body.len() + chunk.len() > largest {
                return Err(ApiError::new(Code::PAYLOAD_TOO_LARGE));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    let arrived = tokio::time::timeout(limits.body_arrival, arrival).await;
    match arrived {
        Ok(Ok(())) => Ok(body.freeze()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ApiError::new(Code::INVALID_JSON).message("The body did not arrive in time.")),
    }
}

fn declared_length(request: &ServiceRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn broken(error: PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::new(Code::PAYLOAD_TOO_LARGE),
        _ => ApiError::new(Code::INVALID_JSON)
            .message("The body is incomplete or its encoding is not valid HTTP."),
    }
}
