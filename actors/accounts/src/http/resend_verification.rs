//! `POST /v1/auth/resend-verification`: the same answer whether or not the user exists.

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;
use primetech_http::rate_limits::Bucket;

use super::link::{self, RequestLinkBody, RequestedAnswer};
use crate::domain::Accounts;
use crate::token::MailTokenKind;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/v1/auth/resend-verification", handle).counted_in(Bucket::Auth).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Send the verification mail again")
        .about("The answer does not reveal whether the user exists or whether the address is verified.")
        .body::<RequestLinkBody>()
        .answers::<RequestedAnswer>(
            202,
            "If the user exists and the address is not verified, a mail is sent.",
        )
}

async fn handle(
    accounts: web::Data<Accounts>,
    CurrentTenant(tenant): CurrentTenant,
    request_id: RequestId,
    input: Input,
) -> Result<HttpResponse, ApiError> {
    link::request(&accounts, tenant.scope(), MailTokenKind::VerifyEmail, &request_id, input).await
}
