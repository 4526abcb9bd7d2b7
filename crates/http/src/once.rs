//! Answers a repeatable request: the rendered answer is also saved under the request's key.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use primetech_kernel::caller::Session;
use primetech_kernel::fault::Fault;
use primetech_kernel::idempotency::{IdempotencyClaim, Keyed, OnceDone, OnceError, SavedAnswer};
use primetech_kernel::tenancy::TenantScope;
use serde::Serialize;

use crate::error::{ApiError, Code};
use crate::layers::address::ClientAddress;
use crate::layers::facts::RequestId;
use crate::saved_answer::kept_answer;

/// A key as its request sent it, with the hash of what the request asks for.
#[derive(Clone)]
pub struct IdempotencyKey {
    pub(crate) key: String,
    pub(crate) request_hash: [u8; 32],
}

impl IdempotencyKey {
    /// Keys belong to a user, or to a client's address if nobody is signed in.
    pub fn claimed_by(self, session: Option<&Session>, client: ClientAddress) -> IdempotencyClaim {
        let owner = match session {
            Some(session) => format!("user:{}", session.user.id),
            None => format!("address:{}", client.0),
        };
        IdempotencyClaim { owner, key: self.key, request_hash: self.request_hash }
    }
}

/// A success as it is sent.
pub struct Rendered {
    status: StatusCode,
    body: String,
}

impl Rendered {
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body).map_err(ApiError::internal)?;
        Ok(Self { status, body })
    }
}

/// The request for a batch that does each key once. Successes are saved as `render` shows them, refusals as the canonical
/// error; a 5xx is not saved.
pub fn keyed<I, D: 'static, E: 'static>(
    scope: TenantScope,
    item: I,
    claim: Option<IdempotencyClaim>,
    request_id: &RequestId,
    render: fn(&D) -> Result<Rendered, ApiError>,
) -> Keyed<I, D, E>
where
    for<'error> ApiError: From<&'error E>,
{
    let request_id = request_id.0.to_string();
    let key = claim.map(|claim| {
        let saved = move |reply: &Result<D, E>| match reply {
            Ok(done) => {
                let Rendered { status, body } =
                    render(done).map_err(|error| Fault::internal(error.to_string()))?;
                Ok(Some(SavedAnswer { status: status.as_u16(), body }))
            }
            Err(error) => {
                let error = ApiError::from(error);
                let status = error.code().status();
                let body = || error.body(&request_id);
                Ok((!status.is_server_error()).then(|| SavedAnswer { status: status.as_u16(), body: body() }))
            }
        };
        (claim, Box::new(saved) as _)
    });
    Keyed { scope, item, key }
}

/// The answer to a request that was made with [`keyed`].
pub fn answer<D, E>(
    outcome: Result<OnceDone<D>, OnceError<E>>,
    render: fn(&D) -> Result<Rendered, ApiError>,
) -> Result<HttpResponse, ApiError>
where
    for<'error> ApiError: From<&'error E>,
{
    match outcome {
        Ok(OnceDone::Done(done)) => {
            let Rendered { status, body } = render(&done)?;
            Ok(HttpResponse::build(status).content_type("application/json").body(body))
        }
        Ok(OnceDone::Replayed(saved)) => kept_answer(saved),
        Err(OnceError::Refused(error)) => Err(ApiError::from(&error)),
        Err(OnceError::InProgress) => Err(ApiError::new(Code::IDEMPOTENCY_IN_PROGRESS)),
        Err(OnceError::Reused) => Err(ApiError::new(Code::IDEMPOTENCY_KEY_REUSED)),
    }
}
