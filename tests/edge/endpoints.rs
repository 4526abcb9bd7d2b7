//! Endpoints of the tests alone: each does one thing that the edge has to deal with.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpResponse;
use primetech::error::{ApiError, Code};
use primetech::input::{Field, Input, rules};
use primetech::layers::address::ClientAddress;
use primetech::layers::permission::{Admin, CurrentTenant, MaybeSignedIn, SignedIn};
use primetech::layers::raw_body::RawBody;
use primetech::routes::{Access, Endpoint, Expects};
use serde_json::json;
use tokio::sync::Semaphore;

/// Requests that have come as far as waiting at the gate.
pub static AT_THE_GATE: AtomicUsize = AtomicUsize::new(0);
/// Lets one of them through for each permit.
pub static GATE: Semaphore = Semaphore::const_new(0);

pub fn all() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/test/panic", panics),
        Endpoint::get("/test/panic", panics),
        Endpoint::get("/test/slow", never_answers),
        Endpoint::post("/test/slow", never_answers),
        Endpoint::get("/test/gate", waits_at_the_gate),
        Endpoint::get("/test/foreign", foreign_error),
        Endpoint::get("/test/internal", fails_inside),
        Endpoint::get("/test/address", address),
        Endpoint::get("/api/test/tenant", tenant),
        Endpoint::post("/api/test/tenant", tenant),
        Endpoint::post("/api/test/body", body),
        Endpoint::post("/api/test/fields/{orderId}", fields),
        Endpoint::get("/api/test/literal/{id}", parameter),
        Endpoint::get("/api/test/literal/track", literal),
        Endpoint::get("/api/test/maybe", maybe),
        Endpoint::post("/api/test/session", session),
        Endpoint::post("/api/test/admin", admin),
        Endpoint::post("/api/test/forgetful", forgetful).requiring(Access::Admin),
        Endpoint::post("/api/test/raw", raw).expecting(Expects::RawBody),
        Endpoint::get("/test/tenant", tenant).expecting(Expects::Tenant),
    ]
}

async fn panics() -> HttpResponse {
    panic!("with a secret in it");
}

async fn never_answers() -> HttpResponse {
    pending().await
}

async fn waits_at_the_gate() -> HttpResponse {
    AT_THE_GATE.fetch_add(1, Ordering::SeqCst);
    GATE.acquire().await.unwrap().forget();
    HttpResponse::Ok().finish()
}

/// An error of actix-web's own making.
async fn foreign_error() -> Result<HttpResponse, actix_web::Error> {
    Err(actix_web::error::ErrorConflict("text that is not canonical"))
}

async fn fails_inside() -> Result<HttpResponse, ApiError> {
    Err(ApiError::internal("a secret cause"))
}

async fn address(ClientAddress(address): ClientAddress) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "address": address.to_string() }))
}

async fn tenant(CurrentTenant(tenant): CurrentTenant) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "slug": tenant.slug }))
}

async fn body(mut input: Input) -> Result<HttpResponse, ApiError> {
    let name = input.body()?.required("name", rules::text(1..=100_000));
    let (name,) = input.finish((name,))?;
    Ok(HttpResponse::Ok().json(json!({ "length": name.len() })))
}

async fn fields(mut input: Input) -> Result<HttpResponse, ApiError> {
    let order = input.path("orderId", rules::uuid);
    let page = input.page();
    let key = input.header("idempotency-key", rules::idempotency_key);
    let mut body = input.body()?;
    let email = body.required("email", rules::email);
    let items = body.list("items", 1..=50, |item| {
        let sku = item.required("sku", rules::sku);
        let quantity = item.integer("quantity", 1..=999);
        Field::all((sku, quantity))
    });
    let (order, page, _, email, items) = input.finish((order, page, key, email, items))?;
    Ok(HttpResponse::Ok().json(json!({
        "order": order, "limit": page.limit, "email": email, "items": items.len(),
    })))
}

async fn parameter(mut input: Input) -> Result<HttpResponse, ApiError> {
    let id = input.path("id", rules::text(1..=10));
    let (id,) = input.finish((id,))?;
    Ok(HttpResponse::Ok().json(json!({ "id": id })))
}

async fn literal() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "literal": true }))
}

async fn maybe(MaybeSignedIn(session): MaybeSignedIn) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "signedIn": session.is_some() }))
}

async fn session(SignedIn(session): SignedIn, mut input: Input) -> Result<HttpResponse, ApiError> {
    let name = input.body()?.required("name", rules::text(1..=10));
    input.finish((name,))?;
    Ok(HttpResponse::Ok().json(json!({ "role": session.user.role })))
}

async fn admin(Admin(session): Admin) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "role": session.user.role }))
}

/// Does not ask who is calling; the route table does.
async fn forgetful() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn raw(RawBody(bytes): RawBody) -> Result<HttpResponse, ApiError> {
    if bytes.starts_with(b"bad") {
        return Err(ApiError::new(Code::INVALID_SIGNATURE));
    }
    Ok(HttpResponse::Ok().json(json!({ "length": bytes.len() })))
}
