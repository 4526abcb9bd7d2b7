//! `POST /api/auth/request-password-reset`: the same answer whether or not the user exists.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::RequestPasswordReset;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::facts::RequestId;
use crate::layers::permission::CurrentTenant;
use crate::openapi::Doc;
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/request-password-reset", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Request a password reset link")
        .about("The answer does not reveal whether the user exists.")
        .body::<RequestPasswordResetBody>()
        .answers::<RequestedAnswer>(202, "If the user exists, a mail with the link is sent.")
}

/// Says nothing.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestedAnswer {}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct RequestPasswordResetBody {
    #[schema(example = "jane@example.com", format = Email, max_length = 254)]
    email: String,
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let email = input.body()?.required("email", rules::email);
    let (email,) = input.finish((email,))?;
    let request = RequestPasswordReset { scope: tenant.scope(), email, request_id: request_id.audited() };
    ask(&state.actors.session, request).await?;
    Ok(HttpResponse::Accepted().json(RequestedAnswer {}))
}
