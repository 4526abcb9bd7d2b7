//! `POST /api/licences/validate`

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::{Input, rules};
use primetech_http::layers::address::ClientAddress;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use primetech_kernel::identifiers::LicenceKey;
use utoipa::ToSchema;

use super::{guesses, shard_key};
use crate::domain::Licences;
use crate::messages::{Validate, Validated, ValidationCode};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/licences/validate", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Validate a licence")
        .about("If a fingerprint is sent, the licence must also be active on that device.")
        .body::<ValidateBody>()
        .answers::<Validated>(200, "Whether the licence is valid, and if not, why.")
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct ValidateBody {
    #[schema(example = "LIC-7K2P-M4QX-9TZB", pattern = "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$")]
    lic_key: String,
    #[schema(example = "mac:8f14e45f", pattern = "^[A-Za-z0-9._:-]{8,128}$")]
    fingerprint: Option<String>,
}

async fn handle(
    licences: web::Data<Licences>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    client: ClientAddress,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.optional("fingerprint", rules::fingerprint);
    let (key, fingerprint) = input.finish((key, fingerprint))?;
    let scope = tenant.scope();
    let actor = licences.actors.of(&shard_key(scope, &key));
    let validated = ask(actor, Validate { scope, key, fingerprint }).await?;
    if validated.code == ValidationCode::LicenceNotFound {
        guesses::note(&http, &tenant, client).await;
    }
    Ok(HttpResponse::Ok().json(validated))
}
