//! `GET /metrics`: Prometheus text. For the operator's network: the proxy does not forward it.

use actix_web::{HttpResponse, web};
use primetech_http::layers::permission::Anyone;
use serde_json::json;

use crate::app::State;
use crate::metrics;
use crate::openapi::Doc;
use crate::routes::Endpoint;

const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

pub fn endpoint() -> Endpoint {
    Endpoint::get("/metrics", handle).documented(|| {
        Doc::new("Get the metrics of the process").answers_raw(
            200,
            "Prometheus text.",
            MEDIA_TYPE,
            json!({"type": "string", "example": "http_requests_in_flight 1"}),
        )
    })
}

async fn handle(_: Anyone, state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type(MEDIA_TYPE).body(metrics::render(&state.actors.database))
}
