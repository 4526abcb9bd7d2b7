//! `GET /api/admin/bookings`

use actix_web::{HttpResponse, web};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::ApiError;
use primetech_http::input::page::ListAnswer;
use primetech_http::input::{Input, rules};
use primetech_http::layers::permission::Admin;
use primetech_http::openapi::{Doc, PageOf};
use serde_json::json;

use crate::domain::Bookings;
use crate::messages::{BookingDetails, BookingFilter};
use crate::status::BookingStatus;

pub fn endpoint() -> Endpoint {
    Endpoint::get("/api/admin/bookings", handle).documented(doc)
}

fn doc() -> Doc {
    let time = || json!({"type": "string", "format": "date-time", "example": "2026-01-31T00:00:00Z"});
    let statuses: Vec<&str> = BookingStatus::ALL.into_iter().map(BookingStatus::as_str).collect();
    Doc::new("List the shop's bookings")
        .query("status", "Only bookings with this status.", json!({"type": "string", "enum": statuses}))
        .query("from", "Only bookings created at this time or later.", time())
        .query("to", "Only bookings created at this time or earlier.", time())
        .query(
            "q",
            "Only bookings with this text in their reference, name or address. Case does not matter.",
            json!({"type": "string", "minLength": 1, "maxLength": 100, "example": "jane"}),
        )
        .paged()
        .answers::<PageOf<BookingDetails>>(200, "A page of bookings.")
}

async fn handle(
    bookings: web::Data<Bookings>,
    Admin(session): Admin,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let status = input.query("status", BookingStatus::parse);
    let from = input.query("from", rules::time);
    let to = input.query("to", rules::time);
    let text = input.query("q", rules::text(1..=100));
    let page = input.page();
    let (status, from, to, text, page) = input.finish((status, from, to, text, page))?;
    let filter = BookingFilter { status, from, to, text };
    let found = bookings.list(&session.scope(), &filter, &page).await?;
    Ok(HttpResponse::Ok().json(ListAnswer::from(found)))
}
