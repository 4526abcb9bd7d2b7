//! `GET /.well-known/licence-keys.json`: the JWK set that verifies a tenant's certificates.

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::{Endpoint, Expects};
use primetech_http::error::ApiError;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;

use crate::certificate::JwkSet;
use crate::domain::Licences;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/.well-known/licence-keys.json", handle).expecting(Expects::Tenant).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get the keys that verify certificates").answers::<JwkSet>(200, "The shop's JWK set (RFC 7517).")
}

async fn handle(
    licences: web::Data<Licences>,
    CurrentTenant(tenant): CurrentTenant,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(licences.signer().jwk_set(tenant.id)?))
}
