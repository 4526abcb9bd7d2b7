//! `GET /api/releases`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::release::{ListReleases, ReleaseView};

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::input::page::ListAnswer;
use crate::layers::permission::CurrentTenant;
use crate::openapi::{Doc, PageOf};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/releases", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("List the shop's published releases")
        .paged()
        .answers::<PageOf<ReleaseView>>(200, "A page of releases.")
}

async fn handle(
    state: web::Data<State>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let scope = tenant.scope();
    let releases = ask(state.actors.releases.of(&scope), ListReleases { scope, page }).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(releases)))
}
