//! `POST /api/auth/register`

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::cookies::SessionTokens;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use utoipa::ToSchema;

use super::{UserAnswer, refuse_weak, signed_in};
use crate::domain::Accounts;
use crate::error::EMAIL_TAKEN;
use crate::messages::Register;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/register", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Create an account and sign in")
        .about(
            "The address is folded to lower case and unique in the shop. Sends a verification mail. Ends the \
             session that the request came with.",
        )
        .body::<RegisterBody>()
        .answers::<UserAnswer>(201, "The new user, signed in.")
        .with_cookie()
        .refuses(&[EMAIL_TAKEN])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct RegisterBody {
    #[schema(example = "jane@example.com", format = Email, max_length = 254)]
    email: String,
    #[schema(example = "seven-owls-at-dusk", format = Password, min_length = 10, max_length = 128)]
    password: String,
    #[schema(example = "Jane Doe", min_length = 1, max_length = 120)]
    name: Option<String>,
}

async fn handle(
    accounts: web::Data<Accounts>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    tokens: SessionTokens,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let email = body.required("email", rules::email);
    let password = body.required("password", rules::new_password);
    let name = body.optional("name", rules::text(1..=120));
    refuse_weak(&mut input, password.get(), email.get().map(String::as_str));
    let (email, password, name) = input.finish((email, password, name))?;
    let (scope, replaced) = (tenant.scope(), tokens.into_inner());
    let message = Register {
        scope,
        email,
        password,
        name,
        replaces: replaced.clone(),
        request_id: request_id.audited(),
    };
    let registered = ask(accounts.actor(), message).await?;
    accounts.sessions().forget(&scope, &replaced);
    Ok(signed_in(&http, HttpResponse::Created(), registered))
}
