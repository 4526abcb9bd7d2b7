//! `GET /ready`: the database and the actors can serve requests, and the process is not shutting down. Otherwise 503.

use actix_web::{HttpResponse, web};

use super::alive::Status;
use crate::app::State;
use crate::error::ApiError;
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::get("/ready", Access::Public, || web::to(handle))
}

async fn handle(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    state.readiness.check(&state.actors).await?;
    Ok(HttpResponse::Ok().json(Status { status: "ready" }))
}
