//! `POST /api/auth/login`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::Login;

use super::signed_in;
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/login", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let email = body.required("email", rules::email);
    let password = body.required("password", rules::login_password);
    let (email, password) = input.finish((email, password))?;
    let logged_in = ask(&state.actors.session, Login { scope: tenant.scope(), email, password }).await?;
    Ok(signed_in(&state, HttpResponse::Ok(), logged_in))
}
