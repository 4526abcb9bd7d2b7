//! `GET /api/licences`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::licence::ListLicences;
use primetech_actors::order::Viewer;

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::input::page::ListAnswer;
use crate::layers::permission::SignedIn;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/licences", Access::Session, || web::to(handle))
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
