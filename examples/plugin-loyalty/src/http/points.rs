//! `GET /api/loyalty/points`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::layers::permission::SignedIn;
use primetech_http::openapi::Doc;

use crate::{Loyalty, PointsView};

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/loyalty/points", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Show your points")
        .about("Paid orders earn points. The newest entries are listed.")
        .answers::<PointsView>(200, "What can be redeemed now, and what was earned and redeemed.")
}

async fn handle(loyalty: web::Data<Loyalty>, SignedIn(session): SignedIn) -> Result<HttpResponse, ApiError> {
    let view = loyalty.points(&session.scope(), session.user.id).await?;
    Ok(HttpResponse::Ok().json(view))
}
