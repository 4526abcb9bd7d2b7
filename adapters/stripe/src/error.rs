//! The failures of Stripe, told apart by what the caller can do about them. They contain no secret.

/// Why a [`crate::PaymentProvider`] cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProviderConfigError {
    #[error("the Stripe secret key has characters that cannot be sent")]
    InvalidSecretKey,
    #[error("the Stripe API base must be http:// or https:// with a host, and no path, query or user")]
    InvalidApiBase,
    #[error("a live Stripe key is not sent over http://")]
    LiveKeyInClear,
    #[error("the machine's root certificates cannot be read: {0}")]
    RootCertificates(String),
}

/// Why Stripe did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Stripe understood and said no: the same request will be refused again.
    #[error("Stripe refused the request with {status} ({kind}{}): {message}", display_code(.code.as_ref()))]
    Refused {
        status: u16,
        /// Stripe's error type, `invalid_request_error` for one.
        kind: String,
        code: Option<String>,
        param: Option<String>,
        message: String,
        request_id: Option<String>,
    },
    /// No answer that can be relied on, although it was tried again. Stripe may have done what was asked: the same
    /// request with the same idempotency key tells, at any later time.
    #[error("Stripe is unavailable: {reason}")]
    Unavailable { reason: UnavailableReason, request_id: Option<String> },
}

fn display_code(code: Option<&String>) -> String {
    code.map(|code| format!(", {code}")).unwrap_or_default()
}

impl ProviderError {
    /// A request that is wrong before it is sent.
    pub(super) fn unsendable(param: &str, message: impl Into<String>) -> Self {
        Self::Refused {
            status: 400,
            kind: "invalid_request_error".to_owned(),
            code: None,
            param: Some(param.to_owned()),
            message: message.into(),
            request_id: None,
        }
    }

    /// True where Stripe understood and said no.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// True where Stripe knows no object of that id.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Stripe's id of the request, for its support and dashboard.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. } | Self::Unavailable { request_id, .. } => request_id.as_deref(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnavailableReason {
    #[error("no connection")]
    Connect,
    #[error("no answer in time")]
    Timeout,
    #[error("the connection broke")]
    Broken,
    #[error("too many requests")]
    RateLimited,
    /// Another request with the same idempotency key is still running.
    #[error("the same request is still running")]
    InProgress,
    #[error("status {0}")]
    Status(u16),
    #[error("an answer that makes no sense: {0}")]
    InvalidAnswer(String),
}

/// Stripe masks keys in its messages; should one slip through all the same, it ends here.
pub(super) fn without_keys(text: &str) -> String {
    const PREFIXES: [&str; 5] = ["sk_", "rk_", "pk_", "whsec_", "Bearer"];
    const MAX_CHARACTERS: usize = 500;
    let redact = |word: &str| {
        let key = PREFIXES.iter().filter_map(|prefix| word.find(prefix)).min();
        key.map_or_else(|| word.to_owned(), |start| format!("{}[redacted]", &word[..start]))
    };
    let text = text.split(' ').map(redact).collect::<Vec<_>>().join(" ");
    text.chars().take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_stay_in_messages() {
        assert_eq!(
            without_keys("Invalid API Key provided: sk_test_4eC39HqLyjWD"),
            "Invalid API Key provided: [redacted]"
        );
        assert_eq!(without_keys("('sk_live_1'), then (whsec_2)"), "('[redacted] then ([redacted]");
        assert_eq!(without_keys("No such checkout.session: 'cs_1'"), "No such checkout.session: 'cs_1'");
    }
}
