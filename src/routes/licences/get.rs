//! `GET /api/licences/{licKey}`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::identifiers::LicenceKey;
use primetech_actors::licence::GetLicence;
use primetech_actors::order::Viewer;

use super::LicenceAnswer;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::Input;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/licences/{licKey}", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get a licence")
        .path("licKey", "The licence key.", schemas::licence_key())
        .answers::<LicenceAnswer>(200, "The licence.")
        .refuses(&[Code::LICENCE_NOT_FOUND])
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let key = input.path("licKey", LicenceKey::parse);
    let (key,) = input.finish((key,))?;
    let viewer = Viewer::from(&*session);
    let found = ask(state.actors.licences.of(&viewer.scope), GetLicence { viewer, key }).await?;
    let licence = found.ok_or_else(|| ApiError::new(Code::LICENCE_NOT_FOUND))?;
    Ok(HttpResponse::Ok().json(LicenceAnswer { licence }))
}
