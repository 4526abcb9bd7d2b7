//! `GET /docs/{file}`: the scripts and styles of the page, compiled into the program.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use primetech_http::layers::permission::Anyone;
use serde_json::json;
use utoipa_swagger_ui::{Config, SwaggerFile, serve};

use crate::error::{ApiError, Code};
use crate::openapi::Doc;
use crate::routes::Endpoint;

pub(super) const FOLDER: &str = "/docs/";

pub fn endpoint() -> Endpoint {
    Endpoint::get("/docs/{file}", handle).documented(|| {
        Doc::new("Get a file of the documentation page")
            .path("file", "The file name.", json!({"type": "string", "example": "swagger-ui.css"}))
            .answers_raw(200, "The file.", "*/*", json!({"type": "string"}))
            .refuses(&[Code::NOT_FOUND])
    })
}

async fn handle(_: Anyone, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let file = file(request.match_info().get("file").unwrap_or_default())?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.content_type);
    response.insert_header((header::CACHE_CONTROL, "public, max-age=3600"));
    Ok(response.body(file.bytes.into_owned()))
}

/// A file of the page by its name.
pub(super) fn file(name: &str) -> Result<SwaggerFile<'static>, ApiError> {
    let config = Arc::new(Config::from("/openapi.json").validator_url("none"));
    let found = serve(name, config).map_err(ApiError::internal)?;
    found.filter(|_| !name.is_empty()).ok_or_else(|| ApiError::new(Code::NOT_FOUND))
}
