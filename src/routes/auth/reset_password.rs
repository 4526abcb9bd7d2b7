//! `POST /api/auth/reset-password`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::ResetPassword;

use super::refuse_weak;
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/reset-password", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let token = body.required("token", rules::mail_token);
    let password = body.required("password", rules::new_password);
    // Whose password it is shows only with the token, so the address is not among what is checked here.
    refuse_weak(&mut input, password.get(), None);
    let (token, password) = input.finish((token, password))?;
    ask(&state.actors.session, ResetPassword { scope: tenant.scope(), token, password }).await?;
    Ok(HttpResponse::NoContent().finish())
}
