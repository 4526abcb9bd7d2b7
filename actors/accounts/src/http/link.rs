//! What the endpoints share that mail a link: the same answer whether or not the user exists.

use actix_web::HttpResponse;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::facts::RequestId;
use primetech_kernel::ask::ask;
use primetech_kernel::tenancy::TenantScope;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Accounts;
use crate::messages::RequestLink;
use crate::token::MailTokenKind;

/// Says nothing.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestedAnswer {}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
pub(super) struct RequestLinkBody {
    #[schema(example = "jane@example.com", format = Email, max_length = 254)]
    email: String,
}

/// Has a link of this kind mailed to the address that was sent.
pub(super) async fn request(
    accounts: &Accounts,
    scope: TenantScope,
    kind: MailTokenKind,
    request_id: &RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let email = input.body()?.required("email", rules::email);
    let (email,) = input.finish((email,))?;
    ask(accounts.actor(), RequestLink { scope, kind, email, request_id: request_id.audited() }).await?;
    Ok(HttpResponse::Accepted().json(RequestedAnswer {}))
}
