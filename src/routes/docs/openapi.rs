//! `GET /openapi.json`

use std::sync::OnceLock;

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::openapi::{Doc, document};
use crate::routes::{Access, Endpoint, endpoints};

/// Made once: the table is the same for as long as the process lives.
static DOCUMENT: OnceLock<String> = OnceLock::new();

pub fn endpoint() -> Endpoint {
    Endpoint::get("/openapi.json", Access::Public, || web::to(handle)).documented(|| {
        Doc::new("This document").answers_raw(
            200,
            "OpenAPI 3.1.",
            "application/json",
            json!({"type": "object", "example": {"openapi": "3.1.0"}}),
        )
    })
}

async fn handle() -> HttpResponse {
    let document = DOCUMENT.get_or_init(|| document(&endpoints()).to_string());
    HttpResponse::Ok().content_type("application/json").body(document.as_str())
}
