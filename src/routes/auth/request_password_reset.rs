//! `POST /api/auth/request-password-reset`: the same answer whether or not there is such a user.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::session::RequestPasswordReset;

use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/auth/request-password-reset", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let email = input.body()?.required("email", rules::email);
    let (email,) = input.finish((email,))?;
    ask(&state.actors.session, RequestPasswordReset { scope: tenant.scope(), email }).await?;
    Ok(HttpResponse::Accepted().json(serde_json::json!({})))
}
