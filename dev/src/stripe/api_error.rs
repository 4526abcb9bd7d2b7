//! Stripe's error answer, as its API gives it to a client.

use serde_json::{Map, Value, json};

/// One refused request. `saved` tells whether the answer is stored under the request's idempotency key: Stripe stores
/// what an endpoint answered once it began to work, a 500 too, and not the refusal of parameters that fail validation or
/// of a request that conflicts with one that is running. Source: Stripe, "Idempotent requests".
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    pub(super) saved: bool,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), param: None, code: None, saved: false }
    }

    /// A parameter that is wrong, missing or unknown.
    pub(super) fn parameter(
        param: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let mut error = Self::new(400, "invalid_request_error", message);
        error.param = Some(param.into());
        error.code = Some(code);
        error
    }

    /// A parameter for whose fault Stripe has no code of its own.
    pub(super) fn bare_parameter(param: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(400, "invalid_request_error", message);
        error.param = Some(param.into());
        error
    }

    pub(super) fn missing_parameter(param: &str) -> Self {
        Self::parameter(param, "parameter_missing", format!("Missing required param: {param}."))
    }

    /// The object exists but is in no state for what was asked.
    pub(super) fn wrong_state(code: Option<&'static str>, message: impl Into<String>) -> Self {
        let mut error = Self::new(400, "invalid_request_error", message);
        error.code = code;
        error.saved = true;
        error
    }

    pub(super) fn no_such(object: &str, param: &'static str, id: &str) -> Self {
        let mut error =
            Self::parameter(param, "resource_missing", format!("No such {object}: '{}'", shorten(id)));
        error.status = 404;
        error
    }

    pub(super) fn unknown_url(method: &str, path: &str) -> Self {
        let path = shorten(path);
        let message = format!("Unrecognized request URL ({method}: {path}). The stand-in does not know it.");
        Self::new(404, "invalid_request_error", message)
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub(super) fn no_key() -> Self {
        let message = "You did not provide an API key. You need to provide your API key in the Authorization \
                       header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
        Self::new(401, "invalid_request_error", message)
    }

    /// The key is masked as Stripe does it: the prefix and the last four characters.
    pub(super) fn wrong_key(key: &str) -> Self {
        let characters: Vec<char> = key.chars().collect();
        let masked = if characters.len() > 16 {
            let (head, tail) = (&characters[..8], &characters[characters.len() - 4..]);
            let stars = "*".repeat(characters.len().min(64) - 12);
            format!("{}{stars}{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
        } else {
            "*".repeat(characters.len())
        };
        Self::new(401, "invalid_request_error", format!("Invalid API Key provided: {masked}"))
    }

    pub(super) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key {}. This error is likely \
             to happen when the same key is used by concurrent requests.",
            shorten(key)
        );
        let mut error = Self::new(409, "idempotency_error", message);
        error.code = Some("idempotency_key_in_use");
        error
    }

    pub(super) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{}' if you meant to execute a different request.",
            shorten(key)
        );
        Self::new(400, "idempotency_error", message)
    }

    pub(super) fn rate_limited() -> Self {
        let mut error = Self::new(429, "invalid_request_error", "Too many requests hit the API too quickly.");
        error.code = Some("rate_limit");
        error
    }

    /// The endpoint failed at its work.
    pub(super) fn internal() -> Self {
        let mut error = Self::new(500, "api_error", "An unexpected error occurred on the server's side.");
        error.saved = true;
        error
    }

    /// Failed before an endpoint began to work.
    pub(super) fn unavailable() -> Self {
        Self::new(503, "api_error", "The server is temporarily unable to handle the request.")
    }

    pub(super) fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".to_owned(), json!(self.kind));
        error.insert("message".to_owned(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            error.insert("doc_url".to_owned(), json!(format!("https://stripe.com/docs/error-codes/{code}")));
        }
        json!({ "error": error })
    }
}

impl From<super::ids::RandomnessError> for ApiError {
    fn from(error: super::ids::RandomnessError) -> Self {
        tracing::error!(%error, "the Stripe stand-in cannot make an identifier");
        Self::internal()
    }
}

/// What a client sent comes back in the message, but never by the kilobyte.
fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}
