//! `GET /docs`: a page to read the document and try the calls.

use actix_web::HttpResponse;
use actix_web::http::header;
use primetech_http::layers::permission::Anyone;
use serde_json::json;

use super::asset::{FOLDER, file};
use crate::error::ApiError;
use crate::openapi::Doc;
use crate::routes::Endpoint;

/// The page brings its own scripts and styles, some of the latter inline, and asks this server only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

pub fn endpoint() -> Endpoint {
    Endpoint::get("/docs", handle).documented(|| {
        Doc::new("Read this document as a page").answers_raw(
            200,
            "The page.",
            "text/html",
            json!({"type": "string", "example": "<!DOCTYPE html>"}),
        )
    })
}

async fn handle(_: Anyone) -> Result<HttpResponse, ApiError> {
    let page = file("index.html")?;
    let page = String::from_utf8(page.bytes.into_owned()).map_err(ApiError::internal)?;
    // Its files lie beneath the page's own path, which has no slash at its end.
    let page =
        page.replace("\"./", &format!("\"{FOLDER}")).replace("\"index.css", &format!("\"{FOLDER}index.css"));
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(page))
}
