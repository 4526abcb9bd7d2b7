//! `POST /api/auth/reset-password`

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::layers::rate_limit::Standings;
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use utoipa::ToSchema;

use super::failed_logins::FailedLogins;
use super::refuse_weak;
use crate::domain::Accounts;
use crate::error::INVALID_TOKEN;
use crate::messages::ResetPassword;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/reset-password", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Set a new password")
        .about("Takes the token of the mailed link. A token works once, within an hour; a newer mail replaces it. Ends every session of the user, clears the failed logins and verifies the address.")
        .body::<ResetPasswordBody>()
        .answers_nothing(204, "The password is set.")
        .refuses(&[INVALID_TOKEN])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct ResetPasswordBody {
    #[schema(example = "kM3vT0m9cXJf", min_length = 1, max_length = 512)]
    token: String,
    #[schema(example = "seven-owls-at-dusk", format = Password, min_length = 10, max_length = 128)]
    password: String,
}

async fn handle(
    accounts: web::Data<Accounts>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    standings: Standings,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let token = body.required("token", rules::mail_token);
    let password = body.required("password", rules::new_password);
    // Whose password it is shows only with the token: that it does not hold the address is seen to there.
    refuse_weak(&mut input, password.get(), None);
    let (token, password) = input.finish((token, password))?;
    let reset = ResetPassword { scope: tenant.scope(), token, password, request_id: request_id.audited() };
    let user = ask(accounts.actor(), reset).await?;
    FailedLogins::of(&http.rate_limiter, &standings, &tenant, &user.email).forget(&accounts).await;
    accounts.sessions().forget_user(user.id);
    Ok(HttpResponse::NoContent().finish())
}
