//! `GET /api/auth/me`

use actix_web::{HttpResponse, web};
use primetech_actors::session::User;
use serde::Serialize;
use uuid::Uuid;

use crate::error::ApiError;
use crate::layers::permission::{CurrentTenant, SignedIn};
use crate::routes::{Access, Endpoint};

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/auth/me", Access::Session, || web::to(handle))
}

#[derive(Serialize)]
struct Me<'a> {
    user: &'a User,
    tenant: TenantAnswer<'a>,
}

#[derive(Serialize)]
struct TenantAnswer<'a> {
    id: Uuid,
    slug: &'a str,
    name: &'a str,
}

async fn handle(
    SignedIn(session): SignedIn,
    CurrentTenant(tenant): CurrentTenant,
) -> Result<HttpResponse, ApiError> {
    let tenant = TenantAnswer { id: tenant.id, slug: &tenant.slug, name: &tenant.name };
    Ok(HttpResponse::Ok().json(Me { user: &session.user, tenant }))
}
