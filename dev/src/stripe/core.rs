//! What every part of a running stand-in shares: its configuration, its memory, its present mode, and the client it
//! delivers webhooks with. Locks are held for moments only, never over an await.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use super::api_error::ApiError;
use super::ids::random_id;
use super::mode::Mode;
use super::model::{Delivery, Event};
use super::render::{self, EventCause};
use super::state::State;

/// Where the stand-in takes the time from.
pub type StandInClock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Deliveries on their way at once.
const MAX_DELIVERIES: usize = 64;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

pub(super) type DeliveryClient = Client<HttpConnector, Full<Bytes>>;

pub(super) struct Core {
    pub(super) base_url: String,
    pub(super) secret_key: SecretString,
    pub(super) webhook_secret: SecretString,
    pub(super) retry_first_delay: Duration,
    pub(super) client: DeliveryClient,
    pub(super) permits: Semaphore,
    clock: StandInClock,
    state: Mutex<State>,
    mode: Mutex<Mode>,
    /// Counts the changes of the mode: requests that hang wait for the next one.
    mode_changes: watch::Sender<u64>,
    endpoint: Mutex<Option<Uri>>,
    /// Events with a retry loop running.
    retrying: Mutex<HashSet<String>>,
}

impl Core {
    pub(super) fn new(
        config: &super::StandInConfig,
        base_url: String,
        endpoint: Option<Uri>,
        state: State,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(MAX_DELIVERIES)
            .build_http();
        Self {
            base_url,
            secret_key: config.secret_key.clone(),
            webhook_secret: config.webhook_secret.clone(),
            retry_first_delay: config.retry_first_delay,
            client,
            permits: Semaphore::new(MAX_DELIVERIES),
            clock: config.clock.clone(),
            state: Mutex::new(state),
            mode: Mutex::new(Mode::default()),
            mode_changes: watch::Sender::new(0),
            endpoint: Mutex::new(endpoint),
            retrying: Mutex::new(HashSet::new()),
        }
    }

    /// Unix time in seconds.
    pub(super) fn now(&self) -> i64 {
        (self.clock)().timestamp()
    }

    // A panic while a lock was held leaves at worst one half-made object of a stand-in; going on serves the
    // developer better than refusing every later request.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn announce_mode_change(&self) {
        self.mode_changes.send_modify(|count| *count += 1);
    }

    pub(super) fn mode_changes(&self) -> watch::Receiver<u64> {
        self.mode_changes.subscribe()
    }

    pub(super) fn endpoint(&self) -> Option<Uri> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_endpoint(&self, endpoint: Option<Uri>) {
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner) = endpoint;
    }

    /// True for the caller that may run the event's retries; false while another does.
    pub(super) fn begin_retrying(&self, event_id: &str) -> bool {
        self.retrying.lock().unwrap_or_else(PoisonError::into_inner).insert(event_id.to_owned())
    }

    pub(super) fn end_retrying(&self, event_id: &str) {
        self.retrying.lock().unwrap_or_else(PoisonError::into_inner).remove(event_id);
    }

    /// Records an event; the caller delivers it once it has let go of the state.
    pub(super) fn record_event(
        &self,
        state: &mut State,
        kind: &str,
        object: &Value,
        cause: &EventCause,
    ) -> Result<String, ApiError> {
        let id = random_id("evt_1", 23)?;
        let created = self.now();
        let payload = format!("{:#}", render::event(&id, kind, created, object, cause));
        // As with Stripe, an event that nobody listens for is not kept for a listener that comes later.
        let delivery = if self.endpoint().is_some() { Delivery::Pending } else { Delivery::Abandoned };
        state.put_event(Event { id: id.clone(), kind: kind.to_owned(), created, payload, delivery });
        Ok(id)
    }
}
