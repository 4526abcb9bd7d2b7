//! Stripe's API under `/v1`: keys, faults of the present mode, idempotency, and the table of endpoints.
//! Work that was begun is finished even when its client goes away, as it is at Stripe.
//!
//! An idempotency key stores the answer of its first request whose endpoint began to work, a failure too, for 24 hours:
//! the same request gets status and body again with `Idempotent-Replayed: true`, one with other parameters is refused.
//! What was refused before (authorisation, limits, parameters, conflict) leaves the key free.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use hyper::Method;
use secrecy::ExposeSecret;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::api_error::ApiError;
use super::core::Core;
use super::delivery::deliver_in_background;
use super::endpoints;
use super::ids::random_id;
use super::mode::ApiMode;
use super::model::{Answer, SavedAnswer};
use super::params::Params;
use super::render::{self, EventCause};
use super::state::KeyState;

/// A request as it came in.
pub(super) struct ApiRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: hyper::body::Bytes,
    pub(super) authorization: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

pub(super) struct ApiAnswer {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) request_id: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) replayed: bool,
    /// For `Stripe-Should-Retry`, where Stripe would tell.
    pub(super) should_retry: Option<bool>,
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the stand-in was told to give no answer")]
pub(super) struct NoAnswer;

/// What an endpoint did.
pub(super) struct Done {
    pub(super) answer: Answer,
    pub(super) body: String,
    pub(super) events: Vec<String>,
}

impl Done {
    pub(super) fn new(body: &Value, events: Vec<String>) -> Self {
        let body = body.to_string();
        Self { answer: Answer::Body { status: 200, body: body.clone() }, body, events }
    }
}

/// Whether the endpoint of a request will do its work, or fail at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Succeeds,
    Fails,
}

impl Work {
    /// Where an endpoint's validation is over and its work begins: from here on the answer is stored.
    pub(super) fn begin(self) -> Result<(), ApiError> {
        match self {
            Self::Succeeds => Ok(()),
            Self::Fails => Err(ApiError::internal()),
        }
    }
}

pub(super) async fn answer(core: Arc<Core>, request: ApiRequest) -> Result<ApiAnswer, NoAnswer> {
    let mut changes = core.mode_changes();
    let mode = core.mode().next_request();
    let request_id = random_id("req_", 14).unwrap_or_else(|_| "req_unknown".to_owned());
    let fault = match mode {
        ApiMode::Ok | ApiMode::AnswerTwice | ApiMode::Error500 => None,
        ApiMode::Refuse => return Err(NoAnswer),
        ApiMode::Hang => {
            // Ends with an error when the stand-in stops; there is no answer either way.
            drop(changes.changed().await);
            return Err(NoAnswer);
        }
        ApiMode::Unavailable => Some(ApiError::unavailable()),
        ApiMode::RateLimited => Some(ApiError::rate_limited()),
    };
    let checked = match fault {
        Some(error) => Err(error),
        None => authorise(&core, request.authorization.as_deref()).and_then(|()| check_key(&request)),
    };
    if let Err(error) = checked {
        return Ok(refusal(&error, request_id, request.idempotency_key));
    }
    let work = if mode == ApiMode::Error500 { Work::Fails } else { Work::Succeeds };
    let answered = if request.method == Method::GET {
        get(&core, &request, request_id, work)
    } else {
        let task = tokio::spawn(post(Arc::clone(&core), request, request_id, work));
        task.await.map_err(|_| NoAnswer)?
    };
    if mode == ApiMode::AnswerTwice && !answered.replayed && answered.status < 400 {
        return Err(NoAnswer);
    }
    Ok(answered)
}

fn authorise(core: &Core, authorization: Option<&str>) -> Result<(), ApiError> {
    let (scheme, credentials) =
        authorization.and_then(|header| header.split_once(' ')).ok_or_else(ApiError::no_key)?;
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        credentials.trim().to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded =
            base64::engine::general_purpose::STANDARD.decode(credentials.trim()).unwrap_or_default();
        let pair = String::from_utf8(decoded).unwrap_or_default();
        pair.split(':').next().unwrap_or_default().to_owned()
    } else {
        return Err(ApiError::no_key());
    };
    let right: bool = key.as_bytes().ct_eq(core.secret_key.expose_secret().as_bytes()).into();
    if right { Ok(()) } else { Err(ApiError::wrong_key(&key)) }
}

fn check_key(request: &ApiRequest) -> Result<(), ApiError> {
    match &request.idempotency_key {
        Some(key) if key.is_empty() || key.len() > 255 => {
            Err(ApiError::malformed("An Idempotency-Key has 1 to 255 characters."))
        }
        _ => Ok(()),
    }
}

fn refusal(error: &ApiError, request_id: String, idempotency_key: Option<String>) -> ApiAnswer {
    ApiAnswer {
        status: error.status,
        body: error.to_json().to_string(),
        request_id,
        idempotency_key,
        replayed: false,
        should_retry: (error.status == 409).then_some(true),
    }
}

fn get(core: &Core, request: &ApiRequest, request_id: String, work: Work) -> ApiAnswer {
    let read = work.begin().and_then(|()| {
        Params::parse(request.query.as_bytes())
            .and_then(|params| endpoints::read(core, &request.path, &params))
    });
    match read {
        Ok(body) => {
            let body = body.to_string();
            ApiAnswer {
                status: 200,
                body,
                request_id,
                idempotency_key: None,
                replayed: false,
                should_retry: None,
            }
        }
        Err(error) => refusal(&error, request_id, None),
    }
}

/// Gives up the idempotency key even if the work under it panics.
struct KeyHold<'a> {
    core: &'a Core,
    key: &'a str,
    answer: Option<SavedAnswer>,
}

impl Drop for KeyHold<'_> {
    fn drop(&mut self) {
        self.core.state().release_key(self.key, self.answer.take());
    }
}

async fn post(core: Arc<Core>, request: ApiRequest, request_id: String, work: Work) -> ApiAnswer {
    let key = request.idempotency_key.clone();
    let params = match Params::parse(&request.body) {
        Ok(params) => params,
        Err(error) => return refusal(&error, request_id, key),
    };
    let fingerprint = params.fingerprint(&request.path);
    let mut hold = None;
    if let Some(key) = &key {
        let found = core.state().take_key(key, &fingerprint, core.now());
        match found {
            KeyState::Held => hold = Some(KeyHold { core: &core, key, answer: None }),
            KeyState::Saved(saved) => return replay(&core, &saved, request_id),
            KeyState::OtherParameters => {
                return refusal(&ApiError::key_reused(key), request_id, Some(key.clone()));
            }
            KeyState::InUse => return refusal(&ApiError::key_in_use(key), request_id, Some(key.clone())),
        }
    }
    let latency = core.mode().latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let cause = EventCause { request_id: Some(request_id.clone()), idempotency_key: key.clone() };
    let done = endpoints::write(&core, &request.path, &params, &cause, work);
    let (answered, saved) = match done {
        Ok(done) => {
            deliver_in_background(&core, done.events);
            let answered = ApiAnswer {
                status: 200,
                body: done.body,
                request_id,
                idempotency_key: key.clone(),
                replayed: false,
                should_retry: None,
            };
            (answered, Some(done.answer))
        }
        Err(error) => {
            let mut answered = refusal(&error, request_id, key.clone());
            if error.saved && error.status >= 500 && hold.is_some() {
                // Under this key it would only be given again.
                answered.should_retry = Some(false);
            }
            let saved =
                error.saved.then(|| Answer::Body { status: error.status, body: answered.body.clone() });
            (answered, saved)
        }
    };
    if let (Some(hold), Some(answer)) = (&mut hold, saved) {
        hold.answer = Some(SavedAnswer { key: hold.key.to_owned(), fingerprint, at: core.now(), answer });
    }
    answered
}

fn replay(core: &Core, saved: &SavedAnswer, request_id: String) -> ApiAnswer {
    let (status, body, should_retry) = match &saved.answer {
        Answer::Body { status, body } => (*status, body.clone(), (*status >= 500).then_some(false)),
        Answer::CreatedSession(id) => match core.state().session(id) {
            Some(session) => (200, render::session_as_created(session, &core.base_url).to_string(), None),
            None => {
                let gone = ApiError::no_such("checkout.session", "session", id);
                return refusal(&gone, request_id, Some(saved.key.clone()));
            }
        },
    };
    ApiAnswer {
        status,
        body,
        request_id,
        idempotency_key: Some(saved.key.clone()),
        replayed: true,
        should_retry,
    }
}
