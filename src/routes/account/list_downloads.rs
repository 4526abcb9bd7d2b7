//! `GET /api/account/downloads`

use actix_web::{HttpResponse, web};
use primetech_actors::ask::ask;
use primetech_actors::release::{DownloadView, ListDownloads};

use crate::app::State;
use crate::error::ApiError;
use crate::input::Input;
use crate::input::page::ListAnswer;
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, PageOf};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/account/downloads", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("List the user's downloads")
        .about(
            "One entry for each published release of each product that the user bought and was not refunded.",
        )
        .paged()
        .answers::<PageOf<DownloadView>>(200, "A page of downloads.")
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let scope = session.scope();
    let list = ListDownloads { scope, user_id: session.user.id, page };
    let downloads = ask(state.actors.releases.of(&scope), list).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(downloads)))
}
