//! `POST /api/account/downloads/{releaseId}/signed-url`

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use primetech_http::endpoint::Endpoint;
use primetech_http::error::{ApiError, Code};
use primetech_http::input::{Input, rules};
use primetech_http::layers::permission::SignedIn;
use primetech_http::openapi::{Doc, schemas};
use primetech_kernel::caller::Viewer;
use primetech_kernel::stored_file::hex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Downloads;
use crate::error::ENTITLEMENT_REQUIRED;
use crate::files::USUAL_LIFETIME;
use crate::messages::{SignedDownload, Unpublished};

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/account/downloads/{releaseId}/signed-url", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get a URL to download a release")
        .about("The URL is valid for 10 minutes. Anyone who has it can download the file.")
        .path("releaseId", "The release.", schemas::uuid())
        .answers::<DownloadAnswer>(200, "The URL, and the size and hash of the file.")
        .refuses(&[Code::NOT_FOUND, ENTITLEMENT_REQUIRED, Code::STORAGE_UNAVAILABLE])
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignedDownload)]
struct DownloadAnswer {
    #[schema(example = "https://files.example/private/tenants/…?X-Amz-Signature=…")]
    url: String,
    expires_at: DateTime<Utc>,
    #[schema(example = "editor-pro-2.1.0.zip")]
    file_name: String,
    /// The hash of the file, in lower-case hexadecimal.
    #[schema(
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        pattern = "^[0-9a-f]{64}$"
    )]
    sha256: String,
}

async fn handle(
    downloads: web::Data<Downloads>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let release_id = input.path("releaseId", rules::uuid);
    let (release_id,) = input.finish((release_id,))?;
    let viewer = Viewer::from(&*session);
    let signed = downloads.sign_download(&viewer, release_id, Unpublished::ToNobody, USUAL_LIFETIME).await?;
    let SignedDownload { url, file_name, sha256 } = signed;
    Ok(HttpResponse::Ok().json(DownloadAnswer {
        url: url.url,
        expires_at: url.expires_at,
        file_name,
        sha256: hex(&sha256),
    }))
}
