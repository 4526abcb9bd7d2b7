//! `POST /api/auth/register`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::Register;

use super::{refuse_weak, signed_in};
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/register", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let email = body.required("email", rules::email);
    let password = body.required("password", rules::new_password);
    let name = body.optional("name", rules::text(1..=120));
    refuse_weak(&mut input, password.get(), email.get().map(String::as_str));
    let (email, password, name) = input.finish((email, password, name))?;
    let message = Register { scope: tenant.scope(), email, password, name };
    let registered = ask(&state.actors.session, message).await?;
    Ok(signed_in(&state, HttpResponse::Created(), registered))
}
