//! How the stand-in behaves at present: as Stripe does, or as Stripe does on a bad day.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiMode {
    Ok,
    /// The connection is closed without an answer, and nothing is done.
    Refuse,
    /// No answer until the mode changes, and nothing is done.
    Hang,
    /// 503 in Stripe's shape before the idempotency key is looked at: nothing is done, and nothing is stored.
    Unavailable,
    /// The endpoint fails once it is at work: 500 in Stripe's shape, and nothing is done. A request that is refused
    /// before that (key, parameters) is refused as ever. The 500 is stored under the idempotency key, which gives it
    /// again for as long as keys live, whatever the mode is by then.
    Error500,
    /// 429 in Stripe's shape before the idempotency key is looked at: nothing is done, and nothing is stored.
    RateLimited,
    /// What was asked is done, and its answer is lost on the way: the client asks again, and is answered a second
    /// time. An answer repeated for an idempotency key does get through.
    AnswerTwice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookMode {
    Ok,
    /// Events are kept back until they are released.
    Hold,
}

/// How a batch of events is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeliveryOptions {
    /// How often each event is sent, accepted or not.
    pub times: u32,
    /// Wait before the first is sent.
    pub delay_ms: u64,
    /// Send the batch in a random order.
    pub shuffle: bool,
    /// Send the whole batch at once instead of one after the other.
    pub concurrent: bool,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self { times: 1, delay_ms: 0, shuffle: false, concurrent: false }
    }
}

impl DeliveryOptions {
    const MAX_TIMES: u32 = 1_000;
    const MAX_DELAY_MS: u64 = 600_000;

    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=Self::MAX_TIMES).contains(&self.times) {
            return Err(format!("times must be 1 to {}", Self::MAX_TIMES));
        }
        if self.delay_ms > Self::MAX_DELAY_MS {
            return Err(format!("delayMs must be at most {}", Self::MAX_DELAY_MS));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mode {
    api: ApiMode,
    /// After so many requests the API behaves again; without a number it stays as it is.
    count: Option<u32>,
    pub(super) latency_ms: u64,
    pub(super) webhooks: WebhookMode,
    pub(super) delivery: DeliveryOptions,
}

impl Default for Mode {
    fn default() -> Self {
        Self {
            api: ApiMode::Ok,
            count: None,
            latency_ms: 0,
            webhooks: WebhookMode::Ok,
            delivery: DeliveryOptions::default(),
        }
    }
}

/// A change of mode: what is not named stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ModeChange {
    api: Option<ApiMode>,
    count: Option<u32>,
    latency_ms: Option<u64>,
    webhooks: Option<WebhookMode>,
    delivery: Option<DeliveryOptions>,
}

impl Mode {
    pub(super) fn apply(&mut self, change: ModeChange) -> Result<(), String> {
        if let Some(delivery) = &change.delivery {
            delivery.check()?;
        }
        if change.latency_ms.is_some_and(|latency| latency > DeliveryOptions::MAX_DELAY_MS) {
            return Err(format!("latencyMs must be at most {}", DeliveryOptions::MAX_DELAY_MS));
        }
        if let Some(api) = change.api {
            self.api = api;
            self.count = change.count;
        }
        self.latency_ms = change.latency_ms.unwrap_or(self.latency_ms);
        self.webhooks = change.webhooks.unwrap_or(self.webhooks);
        if let Some(delivery) = change.delivery {
            self.delivery = delivery;
        }
        Ok(())
    }

    /// How the next API request fares.
    pub(super) fn next_request(&mut self) -> ApiMode {
        match &mut self.count {
            Some(0) => {
                self.api = ApiMode::Ok;
                self.count = None;
            }
            Some(count) => *count -= 1,
            None => {}
        }
        self.api
    }
}
