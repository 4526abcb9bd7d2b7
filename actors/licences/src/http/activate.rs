//! `POST /api/licences/activate`

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::address::ClientAddress;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use primetech_kernel::identifiers::LicenceKey;
use utoipa::ToSchema;

use super::{guesses, shard_key};
use crate::domain::Licences;
use crate::error::{
    ActivateError, LICENCE_EXPIRED, LICENCE_MAX_ACTIVATIONS, LICENCE_NOT_FOUND, LICENCE_REVOKED,
    LICENCE_SUSPENDED,
};
use crate::messages::{Activate, Activated};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/licences/activate", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Activate a licence on a device")
        .about(
            "A licence is active on one device at most. With the certificate the device can verify its licence \
             offline, against the keys at `/.well-known/licence-keys.json`.",
        )
        .body::<ActivateBody>()
        .answers::<Activated>(201, "The device is now the active one.")
        .answers::<Activated>(200, "The device was already the active one: `created` is false.")
        .refuses(&[
            LICENCE_NOT_FOUND,
            LICENCE_MAX_ACTIVATIONS,
            LICENCE_SUSPENDED,
            LICENCE_REVOKED,
            LICENCE_EXPIRED,
        ])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct ActivateBody {
    #[schema(example = "LIC-7K2P-M4QX-9TZB", pattern = "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$")]
    lic_key: String,
    #[schema(example = "mac:8f14e45f", pattern = "^[A-Za-z0-9._:-]{8,128}$")]
    fingerprint: String,
    #[schema(example = "Jane's laptop", min_length = 1, max_length = 120)]
    device_name: Option<String>,
}

async fn handle(
    licences: web::Data<Licences>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    client: ClientAddress,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.required("fingerprint", rules::fingerprint);
    let device_name = body.optional("deviceName", rules::text(1..=120));
    let (key, fingerprint, device_name) = input.finish((key, fingerprint, device_name))?;
    let actor = licences.actors.of(&shard_key(tenant.scope(), &key));
    let request_id = request_id.audited();
    let wish = Activate { tenant: tenant.clone(), key, fingerprint, device_name, request_id };
    let activated = match ask(actor, wish).await {
        Ok(activated) => activated,
        Err(error) => {
            if matches!(error, ActivateError::NotFound) {
                guesses::note(&http, &tenant, client).await;
            }
            return Err(error.into());
        }
    };
    let mut response = if activated.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(activated))
}
