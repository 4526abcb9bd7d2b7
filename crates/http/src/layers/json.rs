//! The body of every call but a webhook: JSON, bounded, parsed once.

use std::fmt;
use std::rc::Rc;

use actix_web::Error;
use actix_web::HttpMessage;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use serde_json::Value;

use super::{body, refuse};
use crate::context::HttpContext;
use crate::error::{ApiError, Code};

/// The body as it was received. Kept in the request's extensions; read through [`crate::input::Input`].
pub enum ReceivedBody {
    None {
        /// A content type other than JSON's was declared.
        declared_otherwise: bool,
    },
    Json(Value),
}

/// Bodies hold passwords, keys and addresses: `Debug` does not print them.
impl fmt::Debug for ReceivedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None { .. } => "ReceivedBody(none)",
            Self::Json(_) => "ReceivedBody(…)",
        })
    }
}

impl Default for ReceivedBody {
    fn default() -> Self {
        Self::None { declared_otherwise: false }
    }
}

pub async fn layer(
    state: HttpContext,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    match receive(&state, &mut request).await {
        Ok(received) => {
            request.extensions_mut().insert(Rc::new(received));
            next.call(request).await
        }
        Err(error) => Ok(refuse(request, error)),
    }
}

async fn receive(state: &HttpContext, request: &mut ServiceRequest) -> Result<ReceivedBody, ApiError> {
    let declared = declared_type(request);
    let bytes = body::read(request, state.limits.json_body, &state.limits).await?;
    if bytes.is_empty() {
        return Ok(ReceivedBody::None { declared_otherwise: declared == DeclaredType::Other });
    }
    if declared != DeclaredType::Json {
        return Err(ApiError::new(Code::UNSUPPORTED_MEDIA_TYPE));
    }
    // The parser bounds how deep values nest; its message quotes nothing of the body but a place.
    serde_json::from_slice(&bytes).map(ReceivedBody::Json).map_err(|error| {
        ApiError::new(Code::INVALID_JSON).message(format!(
            "The body is not valid JSON: line {}, column {}.",
            error.line(),
            error.column()
        ))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredType {
    None,
    Json,
    Other,
}

fn declared_type(request: &ServiceRequest) -> DeclaredType {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let declared = match (types.next(), types.next()) {
        (None, _) => return DeclaredType::None,
        (Some(declared), None) => declared.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => return DeclaredType::Other,
    };
    let essence = declared.split(';').next().unwrap_or_default().trim();
    let is_plain = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if essence.eq_ignore_ascii_case("application/json") && is_plain {
        DeclaredType::Json
    } else {
        DeclaredType::Other
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_json_is_json() {
        let declared = |value: &'static str| {
            declared_type(&TestRequest::default().insert_header(("content-type", value)).to_srv_request())
        };
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8"]
        {
            assert_eq!(declared(json), DeclaredType::Json, "{json}");
        }
        for other in [
            "text/plain",
            "application/jsonp",
            "application/x-www-form-urlencoded",
            "",
            "application/ld+json",
        ] {
            assert_eq!(declared(other), DeclaredType::Other, "{other}");
        }
        assert_eq!(declared_type(&TestRequest::default().to_srv_request()), DeclaredType::None);
    }

    #[test]
    fn a_compressed_body_is_not_taken() {
        let request = TestRequest::default()
            .insert_header(("content-type", "application/json"))
            .insert_header(("content-encoding", "gzip"));
        assert_eq!(declared_type(&request.to_srv_request()), DeclaredType::Other);
    }
}
