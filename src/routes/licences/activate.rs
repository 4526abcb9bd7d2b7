//! `POST /api/licences/activate`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::licence::Activate;

use super::shard_key;
use crate::app::State;
use crate::error::ApiError;
use crate::input::{Input, rules};
use crate::layers::permission::CurrentTenant;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/licences/activate", Access::Public, || web::to(handle))
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.required("fingerprint", rules::fingerprint);
    let device_name = body.optional("deviceName", rules::text(1..=120));
    let (key, fingerprint, device_name) = input.finish((key, fingerprint, device_name))?;
    let actor = state.actors.licences.of(&shard_key(tenant.scope(), &key));
    let activated = ask(actor, Activate { tenant, key, fingerprint, device_name }).await?;
    let mut response = if activated.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(activated))
}
