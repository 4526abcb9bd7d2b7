//! Repeats a request within a deadline if Stripe's answer, or its silence, shows that this can help. Every POST has
//! an idempotency key.

use std::time::Duration;

use rand::{TryRng, rngs::SysRng};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{ProviderError, UnavailableReason, without_keys};
use crate::transport::{ErrorAnswer, TransportError};

const MAX_RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long Stripe is waited for.
#[derive(Debug, Clone, Copy)]
pub struct ProviderTimeouts {
    /// For a TCP connection.
    pub connect: Duration,
    /// For one try, connection and answer together.
    pub attempt: Duration,
    /// For all tries and the pauses between them.
    pub overall: Duration,
}

impl Default for ProviderTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(6),
            overall: Duration::from_secs(15),
        }
    }
}

/// How a request failed in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub error: ProviderError,
    /// Stripe said that it gives this answer again, whenever it is asked under this key.
    pub replayed: bool,
    /// How often it answered with 5xx.
    pub server_errors: u32,
}

pub(super) async fn with_retries<T, F: Future<Output = Result<T, TransportError>>>(
    timeouts: &ProviderTimeouts,
    send: impl Fn() -> F,
) -> Result<T, ProviderError> {
    counting_failures(timeouts, send).await.map_err(|failed| failed.error)
}

pub(super) async fn counting_failures<T, F: Future<Output = Result<T, TransportError>>>(
    timeouts: &ProviderTimeouts,
    send: impl Fn() -> F,
) -> Result<T, Failed> {
    let deadline = Instant::now() + timeouts.overall;
    let mut retries = 0;
    let mut server_errors = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answered = timeout(timeouts.attempt.min(left), send()).await;
        let error = match answered.unwrap_or(Err(TransportError::Timeout)) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let (replayed, is_server_error) = match &error {
            TransportError::Status(answer) => (answer.replayed, answer.status >= 500),
            _ => (false, false),
        };
        server_errors += u32::from(is_server_error);
        let pause = pause(retries).max(asked_pause(&error));
        let is_last = retries == MAX_RETRIES || Instant::now() + pause >= deadline;
        if replayed || is_last || !can_be_retried(&error) {
            return Err(Failed { error: provider_error(error), replayed, server_errors });
        }
        tracing::debug!(?pause, retries, "trying Stripe again");
        sleep(pause).await;
        retries += 1;
    }
}

/// Doubles with each retry; half of it is left to chance, so that many callers do not come back at the same moment.
fn pause(retries: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.pow(retries);
    // Without randomness the pause is the longest: only the spread is lost.
    let share = SysRng.try_next_u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX));
    longest.mul_f64(0.5 + share / 2.0)
}

fn asked_pause(error: &TransportError) -> Duration {
    match error {
        TransportError::Status(answer) => answer.retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

fn can_be_retried(error: &TransportError) -> bool {
    match error {
        TransportError::Connect | TransportError::Broken | TransportError::Timeout => true,
        TransportError::Status(answer) => answer.should_retry.unwrap_or(is_transient(answer.status)),
        TransportError::InvalidAnswer(_) | TransportError::Unsendable(_) => false,
    }
}

/// Source: Stripe, "Error handling: HTTP status codes".
fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 409 | 424 | 429 | 500..)
}

fn provider_error(error: TransportError) -> ProviderError {
    let unavailable = |reason| ProviderError::Unavailable { reason, request_id: None };
    match error {
        TransportError::Connect => unavailable(UnavailableReason::Connect),
        TransportError::Broken => unavailable(UnavailableReason::Broken),
        TransportError::Timeout => unavailable(UnavailableReason::Timeout),
        TransportError::InvalidAnswer(what) => {
            unavailable(UnavailableReason::InvalidAnswer(without_keys(&what)))
        }
        TransportError::Unsendable(why) => ProviderError::unsendable("request", without_keys(&why)),
        TransportError::Status(answer) => from_answer(*answer),
    }
}

fn from_answer(answer: ErrorAnswer) -> ProviderError {
    let ErrorAnswer { status, request_id, error, .. } = answer;
    let reason = match status {
        409 => UnavailableReason::InProgress,
        429 => UnavailableReason::RateLimited,
        400..=499 if !is_transient(status) => {
            return ProviderError::Refused {
                status,
                kind: error.kind.unwrap_or_else(|| "unknown".to_owned()),
                code: error.code,
                param: error.param,
                message: without_keys(&error.message.unwrap_or_default()),
                request_id,
            };
        }
        // Redirects too: whatever answers with one is not Stripe's API.
        _ => UnavailableReason::Status(status),
    };
    ProviderError::Unavailable { reason, request_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ErrorBody;

    fn answer(status: u16, should_retry: Option<bool>) -> TransportError {
        let error = ErrorBody::default();
        let answer =
            ErrorAnswer { status, request_id: None, should_retry, retry_after: None, replayed: false, error };
        TransportError::Status(Box::new(answer))
    }

    #[test]
    fn stripes_own_word_on_another_try_comes_first() {
        for status in [408, 409, 429, 500, 503] {
            assert!(can_be_retried(&answer(status, None)), "{status}");
            assert!(!can_be_retried(&answer(status, Some(false))), "{status}");
        }
        for status in [301, 400, 401, 402, 403, 404] {
            assert!(!can_be_retried(&answer(status, None)), "{status}");
            assert!(can_be_retried(&answer(status, Some(true))), "{status}");
        }
    }

    #[test]
    fn only_a_plain_no_is_a_refusal() {
        for (status, refused) in
            [(400, true), (402, true), (404, true), (409, false), (429, false), (302, false), (502, false)]
        {
            let error = provider_error(answer(status, None));
            assert_eq!(matches!(error, ProviderError::Refused { .. }), refused, "{status}");
        }
    }

    #[test]
    fn pauses_grow_and_stay_within_half_and_whole() {
        for (retries, longest) in [(0, 250), (1, 500)] {
            let pause = pause(retries).as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{pause}");
        }
    }
}
