//! `POST /v1/auth/resend-verification`: the same answer whether or not the user exists.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::ResendVerification;
use utoipa::ToSchema;

use super::request_password_reset::RequestedAnswer;
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::facts::RequestId;
use crate::layers::permission::CurrentTenant;
use crate::openapi::Doc;
use crate::rate_limits::Bucket;
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/v1/auth/resend-verification", handle).counted_in(Bucket::Auth).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Send the verification mail again")
        .about("The answer does not reveal whether the user exists or whether the address is verified.")
        .body::<ResendVerificationBody>()
        .answers::<RequestedAnswer>(
            202,
            "If the user exists and the address is not verified, a mail is sent.",
        )
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct ResendVerificationBody {
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
    let request = ResendVerification { scope: tenant.scope(), email, request_id: request_id.audited() };
    ask(&state.actors.session, request).await?;
    Ok(HttpResponse::Accepted().json(RequestedAnswer {}))
}
