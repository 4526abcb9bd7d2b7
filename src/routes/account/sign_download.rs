//! `POST /api/account/downloads/{releaseId}/signed-url`

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use primetech_actors::ask::ask;
use primetech_actors::order::Viewer;
use primetech_actors::release::{FindDownload, ReleaseFile};
use primetech_actors::stored_file::hex;
use primetech_s3::{Terms, USUAL_TTL};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Input, rules};
use crate::layers::permission::SignedIn;
use crate::openapi::{Doc, schemas};
use crate::routes::Endpoint;
use crate::routes::storage::release_url;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/account/downloads/{releaseId}/signed-url", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get a URL to download a release")
        .about("The URL is valid for 10 minutes. Anyone who has it can download the file.")
        .path("releaseId", "The release.", schemas::uuid())
        .answers::<SignedDownload>(200, "The URL, and the size and hash of the file.")
        .refuses(&[Code::NOT_FOUND, Code::ENTITLEMENT_REQUIRED, Code::STORAGE_UNAVAILABLE])
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedDownload {
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
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let release_id = input.path("releaseId", rules::uuid);
    let (release_id,) = input.finish((release_id,))?;
    let viewer = Viewer::from(&*session);
    let find = FindDownload { viewer, release_id, unpublished_to_admins: false };
    let ReleaseFile { file_name, file } = ask(state.actors.releases.of(&viewer.scope), find).await?;
    let terms = Terms { now: state.actors.clock.now(), ttl: USUAL_TTL };
    let signed = release_url(&state.storage, &file, &file_name, terms).await?;
    Ok(HttpResponse::Ok().json(SignedDownload {
        url: signed.url,
        expires_at: signed.expires_at,
        file_name,
        sha256: hex(&file.sha256),
    }))
}
