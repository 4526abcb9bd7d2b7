//! `POST /api/auth/register`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::Register;
use utoipa::ToSchema;

use super::{UserAnswer, refuse_weak, signed_in};
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::cookies::SessionTokens;
use crate::layers::facts::RequestId;
use crate::layers::permission::CurrentTenant;
use crate::openapi::Doc;
use crate::routes::Endpoint;

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
        .refuses(&[Code::EMAIL_TAKEN])
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
    state: web::Data<State>,
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
    let message = Register {
        scope: tenant.scope(),
        email,
        password,
        name,
        replaces: tokens.into_inner(),
        request_id: request_id.audited(),
    };
    let registered = ask(&state.actors.session, message).await?;
    Ok(signed_in(&state, HttpResponse::Created(), registered))
}
