//! `GET /health`: the process answers. Says nothing of what it depends on.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::routes::{Access, Endpoint};

#[derive(Serialize)]
pub(super) struct Status {
    pub status: &'static str,
}

pub fn endpoint() -> Endpoint {
    Endpoint::get("/health", Access::Public, || web::to(handle))
}

async fn handle() -> HttpResponse {
    HttpResponse::Ok().json(Status { status: "ok" })
}
