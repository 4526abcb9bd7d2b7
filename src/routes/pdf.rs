//! The common part of the PDFs of invoices and receipts.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use primetech_actors::caller::Session;
use primetech_actors::document::DocumentSubject;
use primetech_actors::order::Viewer;

use primetech_downloads::USUAL_LIFETIME;
use primetech_s3::Terms;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::documents::file_name;
use crate::error::{ApiError, Code};
use crate::openapi::Doc;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedPdf {
    #[schema(example = "https://files.example/private/tenants/…?X-Amz-Signature=…")]
    url: String,
    expires_at: DateTime<Utc>,
    #[schema(example = "INV-2026-000042.pdf")]
    file_name: String,
}

pub(super) fn doc(summary: &'static str) -> Doc {
    Doc::new(summary)
        .about(
            "The PDF shows the payment state. It is made at the first call after a change of state and then \
             stored; each call signs a new URL. The URL is valid for 10 minutes. Anyone who has it can read the PDF.",
        )
        .answers::<SignedPdf>(200, "The URL.")
        .refuses(&[Code::NOT_FOUND, Code::STORAGE_UNAVAILABLE])
}

pub(super) async fn answer(
    state: &State,
    session: &Session,
    subject: DocumentSubject,
) -> Result<HttpResponse, ApiError> {
    let terms = Terms { now: state.actors.clock.now(), ttl: USUAL_LIFETIME };
    let file_name = file_name(&subject);
    let signed = state.documents.deliver(Viewer::from(session), subject, terms).await?;
    Ok(HttpResponse::Ok().json(SignedPdf { url: signed.url, expires_at: signed.expires_at, file_name }))
}
