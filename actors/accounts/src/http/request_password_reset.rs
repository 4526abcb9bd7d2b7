//! `POST /api/auth/request-password-reset`: the same answer whether or not the user exists.

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;

use super::link::{self, RequestLinkBody, RequestedAnswer};
use crate::domain::Accounts;
use crate::token::MailTokenKind;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/request-password-reset", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Request a password reset link")
        .about("The answer does not reveal whether the user exists.")
        .body::<RequestLinkBody>()
        .answers::<RequestedAnswer>(202, "If the user exists, a mail with the link is sent.")
}

async fn handle(
    accounts: web::Data<Accounts>,
    CurrentTenant(tenant): CurrentTenant,
    request_id: RequestId,
    input: Input,
) -> Result<HttpResponse, ApiError> {
    link::request(&accounts, tenant.scope(), MailTokenKind::ResetPassword, &request_id, input).await
}
