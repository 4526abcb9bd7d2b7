//! `GET /api/licences`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::Input;
use primetech_http::input::page::ListAnswer;
use primetech_http::layers::permission::SignedIn;
use primetech_http::openapi::{Doc, PageOf};
use primetech_kernel::caller::Viewer;

use crate::domain::Licences;
use crate::messages::LicenceView;

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
    licences: web::Data<Licences>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let page = input.page();
    let (page,) = input.finish((page,))?;
    let viewer = Viewer::from(&*session);
    let found = licences.list(&viewer, &page).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(found)))
}
