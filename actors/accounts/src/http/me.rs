//! `GET /api/auth/me`

use actix_web::HttpResponse;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::layers::permission::{CurrentTenant, SignedIn};
use primetech_http::openapi::Doc;
use primetech_http::rate_limits::Bucket;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::messages::User;

pub fn endpoint() -> Endpoint {
    // Front ends ask on every page.
    Endpoint::get("/api/auth/me", handle).counted_in(Bucket::Other).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get the signed-in user").answers::<MeAnswer>(200, "The user and the shop.")
}

#[derive(Serialize, ToSchema)]
struct MeAnswer {
    user: User,
    tenant: TenantAnswer,
}

#[derive(Serialize, ToSchema)]
struct TenantAnswer {
    id: Uuid,
    #[schema(example = "demo")]
    slug: String,
    #[schema(example = "Demo Software")]
    name: String,
}

async fn handle(
    SignedIn(session): SignedIn,
    CurrentTenant(tenant): CurrentTenant,
) -> Result<HttpResponse, ApiError> {
    let tenant = TenantAnswer { id: tenant.id, slug: tenant.slug.clone(), name: tenant.name.clone() };
    Ok(HttpResponse::Ok().json(MeAnswer { user: session.user.clone(), tenant }))
}
