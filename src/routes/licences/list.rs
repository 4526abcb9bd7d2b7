//! `GET /api/licences`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::licence::{LicenceView, ListLicences};
use primetech_actors::order::Viewer;

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::input::page::ListAnswer;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, PageOf};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/licences", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("List licences")
        .about("A customer gets their own licences, an administrator all licences of the shop.")
        .paged()
        .answers::<PageOf<LicenceView>>(200, "A page of licences.")
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let viewer = Viewer::from(&*session);
    let licences = ask(state.actors.licences.of(&viewer.scope), ListLicences { viewer, page }).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(licences)))
}
