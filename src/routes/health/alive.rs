//! `GET /health`: the process answers. Does not check what it depends on.

use actix_web::HttpResponse;
use primetech_http::layers::permission::Anyone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::Doc;
use crate::routes::Endpoint;

#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    #[schema(example = "ok")]
    pub status: &'static str,
}

pub fn endpoint() -> Endpoint {
    Endpoint::get("/health", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Check whether the process answers").answers::<Status>(200, "Alive.")
}

async fn handle(_: Anyone) -> HttpResponse {
    HttpResponse::Ok().json(Status { status: "ok" })
}
