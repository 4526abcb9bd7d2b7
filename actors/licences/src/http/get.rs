//! `GET /api/licences/{licKey}`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::layers::permission::SignedIn;
use primetech_http::openapi::{Doc, schemas};
use primetech_kernel::caller::Viewer;
use primetech_kernel::identifiers::LicenceKey;

use super::LicenceAnswer;
use crate::domain::Licences;
use crate::error::LICENCE_NOT_FOUND;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/licences/{licKey}", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get a licence")
        .path("licKey", "The licence key.", schemas::licence_key())
        .answers::<LicenceAnswer>(200, "The licence.")
        .refuses(&[LICENCE_NOT_FOUND])
}

async fn handle(
    licences: web::Data<Licences>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.path("licKey", LicenceKey::parse);
    let (key,) = input.finish((key,))?;
    let viewer = Viewer::from(&*session);
    let found = licences.find(&viewer, &key).await?;
    let licence = found.ok_or_else(|| ApiError::new(LICENCE_NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(LicenceAnswer { licence }))
}
