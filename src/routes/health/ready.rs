//! `GET /ready`: 200 if the database and the actors can serve requests and the process is not shutting down, else
//! 503.

use actix_web::{HttpResponse, web};
use primetech_http::layers::permission::Anyone;

use super::alive::Status;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::openapi::Doc;
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/ready", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Check whether the process can serve requests")
        .about("503 if the database or the actors are unavailable, and during a shutdown.")
        .answers::<Status>(200, "Ready.")
        .refuses(&[Code::DATABASE_UNAVAILABLE, Code::OVERLOADED])
}

async fn handle(_: Anyone, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    state.readiness.check(&state.actors, &state.modules).await?;
    Ok(HttpResponse::Ok().json(Status { status: "ready" }))
}
