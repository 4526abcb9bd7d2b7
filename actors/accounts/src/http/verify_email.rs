//! `POST /api/auth/verify-email`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use utoipa::ToSchema;

use super::UserAnswer;
use crate::domain::Accounts;
use crate::error::INVALID_TOKEN;
use crate::messages::VerifyEmail;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/verify-email", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Verify an e-mail address")
        .about("Takes the token of the mailed link. A token works once, within 24 hours; a newer mail replaces it.")
        .body::<VerifyEmailBody>()
        .answers::<UserAnswer>(200, "The verified user.")
        .refuses(&[INVALID_TOKEN])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct VerifyEmailBody {
    #[schema(example = "kM3vT0m9cXJf", min_length = 1, max_length = 512)]
    token: String,
}

async fn handle(
    accounts: web::Data<Accounts>,
    CurrentTenant(tenant): CurrentTenant,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let token = input.body()?.required("token", rules::mail_token);
    let (token,) = input.finish((token,))?;
    let user =
        ask(accounts.actor(), VerifyEmail { scope: tenant.scope(), token, request_id: request_id.audited() })
            .await?;
    Ok(HttpResponse::Ok().json(UserAnswer { user }))
}
