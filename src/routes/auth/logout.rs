//! `POST /api/auth/logout`: 204 also without a session.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::Logout;

use crate::app::State;
use crate::error::ApiError;
use crate::layers::cookies::SessionTokens;
use crate::layers::facts::RequestId;
use crate::layers::permission::CurrentTenant;
use crate::openapi::Doc;
use crate::rate_limits::Bucket;
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    // Nothing can be guessed by signing out, and nobody may be kept from it.
    Endpoint::post("/api/auth/logout", handle).counted_in(Bucket::Other).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Sign out")
        .about("Revokes the session and clears the cookie. The answer is the same without a session.")
        .answers_nothing(204, "Signed out.")
        .with_cookie()
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    tokens: SessionTokens,
    request_id: RequestId,
) -> Result<HttpResponse, ApiError> {
    let logout =
        Logout { scope: tenant.scope(), tokens: tokens.into_inner(), request_id: request_id.audited() };
    ask(&state.actors.session, logout).await?;
    Ok(HttpResponse::NoContent().cookie(state.config.cookies.no_session()).finish())
}
