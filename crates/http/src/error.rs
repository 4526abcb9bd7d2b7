//! The canonical error: the only form of a refusal.
//!
//! [`Code`] has a code's status and default message. A handler returns an [`ApiError`]; the outermost layer adds the
//! request's id and logs the cause. The cause never reaches a client: `message` and `meta` are written for clients.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use primetech_kernel::fault::Fault;
use serde::Serialize;
use serde_json::{Map, Value};

macro_rules! codes {
    ($($name:ident $status:ident $message:literal;)+) => {
        impl Code {
            $(pub const $name: Self = Self::new(stringify!($name), StatusCode::$status, $message);)+

            /// The codes of this crate. A domain has its own.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

/// What a client tells one refusal from another by: a word, its status, and its default message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    text: &'static str,
    status: StatusCode,
    message: &'static str,
}

impl Code {
    /// `text` is in upper case, as clients read it.
    pub const fn new(text: &'static str, status: StatusCode, message: &'static str) -> Self {
        Self { text, status, message }
    }

    /// As clients read it.
    pub const fn as_str(self) -> &'static str {
        self.text
    }

    pub const fn status(self) -> StatusCode {
        self.status
    }

    /// The message of a refusal that has none of its own.
    pub const fn message(self) -> &'static str {
        self.message
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text)
    }
}

codes! {
    VALIDATION_ERROR BAD_REQUEST "The request is not valid.";
    INVALID_JSON BAD_REQUEST "The body is not valid JSON.";
    INVALID_SIGNATURE BAD_REQUEST "The signature is missing, invalid or too old.";
    AUTH_REQUIRED UNAUTHORIZED "Sign in to continue.";
    FORBIDDEN FORBIDDEN "Your role does not allow this.";
    TENANT_INACTIVE FORBIDDEN "This site is switched off.";
    ORIGIN_FORBIDDEN FORBIDDEN "Requests from this origin are not allowed.";
    NOT_FOUND NOT_FOUND "The resource does not exist.";
    TENANT_NOT_FOUND NOT_FOUND "No site has this address.";
    PRODUCT_NOT_FOUND NOT_FOUND "The product does not exist.";
    METHOD_NOT_ALLOWED METHOD_NOT_ALLOWED "The resource does not support this method.";
    CONFLICT CONFLICT "The request conflicts with the current state.";
    IDEMPOTENCY_IN_PROGRESS CONFLICT "The first request with this Idempotency-Key is still running.";
    PAYLOAD_TOO_LARGE PAYLOAD_TOO_LARGE "The request is too large.";
    UNSUPPORTED_MEDIA_TYPE UNSUPPORTED_MEDIA_TYPE "The body must be application/json.";
    IDEMPOTENCY_KEY_REUSED UNPROCESSABLE_ENTITY "This Idempotency-Key was used for a different request.";
    RATE_LIMITED TOO_MANY_REQUESTS "Too many requests. Try again later.";
    INTERNAL_ERROR INTERNAL_SERVER_ERROR "Something went wrong on our side.";
    WEBHOOK_PROCESSING_FAILED INTERNAL_SERVER_ERROR "The event could not be processed. Send it again later.";
    PAYMENT_PROVIDER_ERROR BAD_GATEWAY "The payment provider did not accept the request.";
    OVERLOADED SERVICE_UNAVAILABLE "The service is overloaded. Try again in a moment.";
    DATABASE_UNAVAILABLE SERVICE_UNAVAILABLE "The database is unavailable. Try again in a moment.";
    STORAGE_UNAVAILABLE SERVICE_UNAVAILABLE "The file store is unavailable. Try again in a moment.";
    NUMBERS_EXHAUSTED SERVICE_UNAVAILABLE "No number is left for this period.";
    OUTCOME_UNKNOWN GATEWAY_TIMEOUT "We could not confirm whether this was applied. Repeat the request with the same Idempotency-Key to find out.";
}

/// `Retry-After` of a 503 that sets none of its own.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal in the canonical form, without the request's id.
#[derive(Clone)]
pub struct ApiError(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: Code,
    message: Option<String>,
    field_errors: BTreeMap<String, Vec<String>>,
    meta: Map<String, Value>,
    retry_after: Option<Duration>,
    allow: Option<HeaderValue>,
    cause: Option<String>,
}

impl ApiError {
    pub fn new(code: Code) -> Self {
        Self(Box::new(Parts {
            code,
            message: None,
            field_errors: BTreeMap::new(),
            meta: Map::new(),
            retry_after: (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(DEFAULT_RETRY_AFTER),
            allow: None,
            cause: None,
        }))
    }

    /// A failure of the server. `cause` is logged, never sent.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Code::INTERNAL_ERROR).caused_by(cause)
    }

    /// The faults of each field, by its path in the request.
    pub fn validation(field_errors: BTreeMap<String, Vec<String>>) -> Self {
        let mut error = Self::new(Code::VALIDATION_ERROR);
        error.0.field_errors = field_errors;
        error
    }

    /// A known path with another method.
    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        let mut error = Self::new(Code::METHOD_NOT_ALLOWED);
        error.0.allow = Some(allow);
        error
    }

    /// In place of the code's own message.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// One more fault of a field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.field_errors.entry(field.into()).or_default().push(message.into());
        self
    }

    /// One more value under `meta`. `requestId` is overwritten.
    #[must_use]
    pub fn meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.meta.insert(name.to_owned(), value.into());
        self
    }

    /// Told to the client in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// For the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    pub fn field_errors(&self) -> &BTreeMap<String, Vec<String>> {
        &self.0.field_errors
    }

    /// The headers that belong to this error.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(allow) = &self.0.allow {
            headers.insert(header::ALLOW, allow.clone());
        }
    }

    /// The body as it is sent.
    pub fn body(&self, request_id: &str) -> String {
        let Parts { code, message, field_errors, meta, .. } = &*self.0;
        let mut meta = meta.clone();
        meta.insert("requestId".to_owned(), Value::from(request_id));
        let message = message.as_deref().unwrap_or(code.message());
        let error = Canonical {
            error: CanonicalError { code: code.as_str(), message, details: Details { field_errors, meta } },
        };
        // Strings and JSON values under string keys: serialising them cannot fail.
        serde_json::to_string(&error).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Canonical<'a> {
    error: CanonicalError<'a>,
}

#[derive(Serialize)]
struct CanonicalError<'a> {
    code: &'static str,
    message: &'a str,
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    field_errors: &'a BTreeMap<String, Vec<String>>,
    meta: Map<String, Value>,
}

/// Names the code only: messages and field errors may quote what a client sent.
impl fmt::Debug for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiError")
            .field("code", &self.0.code.as_str())
            .field("fields", &self.0.field_errors.keys().collect::<Vec<_>>())
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.code.as_str())?;
        if let Some(cause) = &self.0.cause {
            write!(formatter, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

/// The body is left out here: it needs the request's id, which the outermost layer knows.
impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        self.write_headers(response.headers_mut());
        response
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let code = match &fault {
            Fault::DatabaseUnavailable(_) => Code::DATABASE_UNAVAILABLE,
            Fault::OutcomeUnknown => Code::OUTCOME_UNKNOWN,
            Fault::Overloaded => Code::OVERLOADED,
            Fault::Internal(_) => Code::INTERNAL_ERROR,
        };
        Self::new(code).caused_by(fault)
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_is_the_canonical_one() {
        let error = ApiError::new(Code::CONFLICT).meta("from", "NEW").field("status", "not now");
        let body: Value = serde_json::from_str(&error.body("abc")).unwrap_or_default();
        assert_eq!(
            body,
            json!({"error": {
                "code": "CONFLICT",
                "message": "The request conflicts with the current state.",
                "details": {
                    "fieldErrors": {"status": ["not now"]},
                    "meta": {"from": "NEW", "requestId": "abc"},
                },
            }})
        );
    }

    #[test]
    fn details_are_there_when_empty() {
        let body: Value =
            serde_json::from_str(&ApiError::new(Code::NOT_FOUND).body("abc")).unwrap_or_default();
        assert_eq!(body["error"]["details"], json!({"fieldErrors": {}, "meta": {"requestId": "abc"}}));
    }

    #[test]
    fn a_cause_stays_inside() {
        let error = ApiError::internal("password=hunter2");
        assert!(!error.body("abc").contains("hunter2"));
        assert_eq!(error.cause(), Some("password=hunter2"));
    }

    #[test]
    fn codes_are_distinct_and_upper_case() {
        let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn each_503_says_when_to_come_back() {
        for code in Code::ALL.iter().filter(|code| code.status() == StatusCode::SERVICE_UNAVAILABLE) {
            let response = ApiError::new(*code).error_response();
            assert_eq!(response.headers().get(header::RETRY_AFTER), Some(&HeaderValue::from_static("1")));
        }
    }

    #[test]
    fn faults_keep_their_truth() {
        let code = |fault: Fault| ApiError::from(fault).code();
        assert_eq!(code(Fault::OutcomeUnknown), Code::OUTCOME_UNKNOWN);
        assert_eq!(code(Fault::Overloaded), Code::OVERLOADED);
        assert_eq!(code(Fault::DatabaseUnavailable("x".into())), Code::DATABASE_UNAVAILABLE);
        assert_eq!(code(Fault::internal("x")), Code::INTERNAL_ERROR);
    }
}
