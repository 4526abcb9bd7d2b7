//! `POST /api/licences/deactivate`: by the device, or by the licence's owner or an admin.

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::licence::{Deactivate, DeactivateBy};
use primetech_actors::order::Viewer;
use serde_json::json;

use super::shard_key;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::permission::{CurrentTenant, MaybeSignedIn};
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/licences/deactivate", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    MaybeSignedIn(session): MaybeSignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.optional("fingerprint", rules::fingerprint);
    let (key, fingerprint) = input.finish((key, fingerprint))?;
    let by = match (fingerprint, session) {
        (Some(fingerprint), _) => DeactivateBy::Fingerprint(fingerprint),
        (None, Some(session)) => DeactivateBy::Viewer(Viewer::from(&*session)),
        (None, None) => return Err(ApiError::new(Code::AuthRequired)),
    };
    let scope = tenant.scope();
    let actor = state.actors.licences.of(&shard_key(scope, &key));
    let licence = ask(actor, Deactivate { scope, key, by }).await?;
    Ok(HttpResponse::Ok().json(json!({ "licence": licence })))
}
