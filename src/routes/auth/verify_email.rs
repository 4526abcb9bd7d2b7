//! `POST /api/auth/verify-email`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::VerifyEmail;
use utoipa::ToSchema;

use super::UserAnswer;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::facts::RequestId;
use crate::layers::permission::CurrentTenant;
use crate::openapi::Doc;
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/verify-email", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Verify an e-mail address")
        .about("Takes the token of the mailed link. A token works once, within 24 hours; a newer mail replaces it.")
        .body::<VerifyEmailBody>()
        .answers::<UserAnswer>(200, "The verified user.")
        .refuses(&[Code::INVALID_TOKEN])
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
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let token = input.body()?.required("token", rules::mail_token);
    let (token,) = input.finish((token,))?;
    let user = ask(
        &state.actors.session,
        VerifyEmail { scope: tenant.scope(), token, request_id: request_id.audited() },
    )
    .await?;
    Ok(HttpResponse::Ok().json(UserAnswer { user }))
}
