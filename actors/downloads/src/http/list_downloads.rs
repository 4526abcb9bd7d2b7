//! `GET /api/account/downloads`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::input::page::ListAnswer;
use primetech_http::layers::permission::SignedIn;
use primetech_http::openapi::{Doc, PageOf};

use crate::domain::Downloads;
use crate::views::DownloadView;

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
    downloads: web::Data<Downloads>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let found = downloads.list_downloads(&session.scope(), session.user.id, &page).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(found)))
}
