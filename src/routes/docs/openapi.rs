//! `GET /openapi.json`

use actix_web::{HttpResponse, web};
use primetech_http::layers::permission::Anyone;
use serde_json::json;

use crate::app::State;
use crate::openapi::{Doc, document};
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/openapi.json", handle).documented(|| {
        Doc::new("Get this document").answers_raw(
            200,
            "OpenAPI 3.1.",
            "application/json",
            json!({"type": "object", "example": {"openapi": "3.1.0"}}),
        )
    })
}

async fn handle(_: Anyone, state: web::Data<State>) -> HttpResponse {
    // Made once: the composition is the same for as long as the process lives.
    let document = state.document.get_or_init(|| document(&state.endpoints, &state.codes).to_string());
    HttpResponse::Ok().content_type("application/json").body(document.clone())
}
