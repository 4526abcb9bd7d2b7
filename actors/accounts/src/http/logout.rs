//! `POST /api/auth/logout`: 204 also without a session.

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::layers::cookies::SessionTokens;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;
use primetech_http::rate_limits::Bucket;
use primetech_kernel::ask::ask;

use crate::domain::Accounts;
use crate::messages::Logout;

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
    accounts: web::Data<Accounts>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    tokens: SessionTokens,
    request_id: RequestId,
) -> Result<HttpResponse, ApiError> {
    let (scope, tokens) = (tenant.scope(), tokens.into_inner());
    ask(accounts.actor(), Logout { scope, tokens: tokens.clone(), request_id: request_id.audited() }).await?;
    accounts.sessions().forget(&scope, &tokens);
    Ok(HttpResponse::NoContent().cookie(http.cookies.no_session()).finish())
}
