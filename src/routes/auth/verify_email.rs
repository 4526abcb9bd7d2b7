//! `POST /api/auth/verify-email`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::VerifyEmail;

use super::UserAnswer;
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/verify-email", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let token = input.body()?.required("token", rules::mail_token);
    let (token,) = input.finish((token,))?;
    let user = ask(&state.actors.session, VerifyEmail { scope: tenant.scope(), token }).await?;
    Ok(HttpResponse::Ok().json(UserAnswer { user }))
}
