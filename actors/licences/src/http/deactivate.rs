//! `POST /api/licences/deactivate`: by the device, the licence's owner or an administrator.

use actix_web::{HttpResponse, web};
use primetech_http::context::HttpContext;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::{ApiError, Code};
use primetech_http::input::{Input, rules};
use primetech_http::layers::address::ClientAddress;
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::{CurrentTenant, MaybeSignedIn};
use primetech_http::openapi::Doc;
use primetech_kernel::ask::ask;
use primetech_kernel::caller::Viewer;
use primetech_kernel::identifiers::LicenceKey;
use utoipa::ToSchema;

use super::{LicenceAnswer, guesses, shard_key};
use crate::domain::Licences;
use crate::error::{DeactivateError, LICENCE_NOT_ACTIVE_HERE, LICENCE_NOT_FOUND};
use crate::messages::{Deactivate, DeactivateBy};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/licences/deactivate", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Free a licence for another device")
        .about("The active device sends its fingerprint. Without a fingerprint, the call needs the session of the licence's owner or of an administrator.")
        .body::<DeactivateBody>()
        .answers::<LicenceAnswer>(200, "The licence, without an active device.")
        .refuses(&[LICENCE_NOT_FOUND, LICENCE_NOT_ACTIVE_HERE, Code::AUTH_REQUIRED])
}

/// What is sent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct DeactivateBody {
    #[schema(example = "LIC-7K2P-M4QX-9TZB", pattern = "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$")]
    lic_key: String,
    #[schema(example = "mac:8f14e45f", pattern = "^[A-Za-z0-9._:-]{8,128}$")]
    fingerprint: Option<String>,
}

async fn handle(
    licences: web::Data<Licences>,
    http: web::Data<HttpContext>,
    CurrentTenant(tenant): CurrentTenant,
    MaybeSignedIn(session): MaybeSignedIn,
    client: ClientAddress,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let key = body.required("licKey", LicenceKey::parse);
    let fingerprint = body.optional("fingerprint", rules::fingerprint);
    let (key, fingerprint) = input.finish((key, fingerprint))?;
    let by = match (fingerprint, session) {
        (Some(fingerprint), _) => DeactivateBy::Fingerprint(fingerprint),
        (None, Some(session)) => DeactivateBy::Viewer(Viewer::from(&*session)),
        (None, None) => return Err(ApiError::new(Code::AUTH_REQUIRED)),
    };
    let scope = tenant.scope();
    let actor = licences.actors.of(&shard_key(scope, &key));
    match ask(actor, Deactivate { scope, key, by, request_id: request_id.audited() }).await {
        Ok(licence) => Ok(HttpResponse::Ok().json(LicenceAnswer { licence })),
        Err(error) => {
            if matches!(error, DeactivateError::NotFound) {
                guesses::note(&http, &tenant, client).await;
            }
            Err(error.into())
        }
    }
}
