//! `GET /.well-known/licence-keys.json`: the JWK set that verifies a tenant's certificates.

use actix_web::{HttpResponse, web};
use primetech_actors::licence::JwkSet;

use crate::app::State;
use crate::error::ApiError;
use crate::layers::permission::CurrentTenant;
use crate::openapi::Doc;
use crate::routes::{Endpoint, Expects};

pub fn endpoint() -> Endpoint {
    Endpoint::get("/.well-known/licence-keys.json", handle).expecting(Expects::Tenant).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get the keys that verify certificates").answers::<JwkSet>(200, "The shop's JWK set (RFC 7517).")
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(state.actors.signer.jwk_set(tenant.id)?))
}
