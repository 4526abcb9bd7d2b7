//! `GET /api/releases`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::input::page::ListAnswer;
use primetech_http::layers::permission::CurrentTenant;
use primetech_http::openapi::{Doc, PageOf};

use crate::domain::Downloads;
use crate::views::ReleaseView;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/releases", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("List the shop's published releases")
        .paged()
        .answers::<PageOf<ReleaseView>>(200, "A page of releases.")
}

async fn handle(
    downloads: web::Data<Downloads>,
    CurrentTenant(tenant): CurrentTenant,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let found = downloads.list_releases(&tenant.scope(), &page).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(found)))
}
