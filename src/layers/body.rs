//! Reading a body within its bounds.

use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::{ApiError, Code};
use crate::limits::Limits;

/// How long the rest of a refused body is waited for.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Takes the whole body, counted while it arrives.
pub(super) async fn read(
    request: &mut ServiceRequest,
    largest: usize,
    limits: &Limits,
) -> Result<Bytes, ApiError> {
    let declared = declared_length(request);
    let mut payload = request.take_payload();
    if declared.is_some_and(|length| length > largest as u64) {
        drain(&mut payload, limits).await;
        return Err(ApiError::new(Code::PayloadTooLarge));
    }
    let mut body = BytesMut::new();
    let arrival = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(broken)?;
            if body.len() + chunk.len() > largest {
                return Err(ApiError::new(Code::PayloadTooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    let arrived = tokio::time::timeout(limits.body_arrival, arrival).await;
    match arrived {
        Ok(Ok(())) => Ok(body.freeze()),
        Ok(Err(error)) => {
            // A body that broke off has no rest.
            if error.code() == Code::PayloadTooLarge {
                drain(&mut payload, limits).await;
            }
            Err(error)
        }
        Err(_) => Err(ApiError::new(Code::InvalidJson).message("The body did not arrive in time.")),
    }
}

/// Reads on for a while and throws away, so that the client gets to read its refusal.
async fn drain(payload: &mut actix_web::dev::Payload, limits: &Limits) {
    let mut left = limits.drained_body;
    let rest = async {
        while let Some(Ok(chunk)) = payload.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it came to its end makes no difference to the answer.
    let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
}

fn declared_length(request: &ServiceRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn broken(error: PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::new(Code::PayloadTooLarge),
        _ => ApiError::new(Code::InvalidJson).message("The body broke off or is not encoded as HTTP says."),
    }
}
