//! `POST /api/licences/validate`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::licence::Validate;

use super::shard_key;
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/licences/validate", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.optional("fingerprint", rules::fingerprint);
    let (key, fingerprint) = input.finish((key, fingerprint))?;
    let scope = tenant.scope();
    let actor = state.actors.licences.of(&shard_key(scope, &key));
    let validated = ask(actor, Validate { scope, key, fingerprint }).await?;
    Ok(HttpResponse::Ok().json(validated))
}
