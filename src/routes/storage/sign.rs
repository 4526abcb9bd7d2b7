//! `POST /api/storage/signed-url`

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use primetech_actors::ask::ask;
use primetech_actors::caller::Role;
use primetech_actors::document::DocumentSubject;
use primetech_actors::identifiers::{InvoiceNumber, ReceiptNumber};
use primetech_actors::order::Viewer;
use primetech_actors::release::{FindDownload, NoteUpload, ReleaseFile};
use primetech_actors::stored_file::object_key;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::release_url;
use crate::app::State;
use crate::error::{ApiError, Code};
use crate::input::{Body, Field, Input, rules};
use crate::integrations::storage::{LONGEST_TTL, SHORTEST_TTL, SignedUrl, Terms, USUAL_TTL};
use crate::layers::facts::RequestId;
use crate::layers::permission::SignedIn;
use crate::openapi::Doc;
use crate::routes::Endpoint;

pub fn endpoint() -> Endpoint {
    Endpoint::post("/api/storage/signed-url", handle).documented(doc)
}

fn doc() -> Doc {
    Doc::new("Get a URL to download or upload a file")
        .about(
            "A customer can download their own invoices and receipts and the releases that they bought; an \
             administrator can download everything in the shop. Only an administrator can upload, to a release. The \
             published file never changes: an upload is stored beside it until the operator publishes it as a new version.",
        )
        .body::<SignBody>()
        .answers::<Signed>(200, "Send `method` to `url` with `headers`.")
        .refuses(&[Code::NOT_FOUND, Code::FORBIDDEN, Code::ENTITLEMENT_REQUIRED, Code::STORAGE_UNAVAILABLE])
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct SignBody {
    operation: OperationBody,
    resource: ResourceBody,
    /// The lifetime of the URL in seconds.
    #[schema(example = 600, minimum = 300, maximum = 900, default = 600)]
    ttl_seconds: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
enum OperationBody {
    Download,
    Upload,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
struct ResourceBody {
    r#type: ResourceTypeBody,
    /// The release's UUID, or the number of the invoice or receipt.
    #[schema(example = "INV-2026-000042")]
    id: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the shape of the document; fields are read by their rules")]
enum ResourceTypeBody {
    Invoice,
    Receipt,
    Release,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[schema(example = "https://files.example/private/tenants/…?X-Amz-Signature=…")]
    url: String,
    #[schema(example = "GET", pattern = "^(GET|PUT)$")]
    method: String,
    /// The headers to send with the request.
    headers: BTreeMap<String, String>,
    expires_at: DateTime<Utc>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Download,
    Upload,
}

enum Resource {
    Release(Uuid),
    Document(DocumentSubject),
}

fn operation(text: &str) -> Result<Operation, &'static str> {
    match text {
        "download" => Ok(Operation::Download),
        "upload" => Ok(Operation::Upload),
        _ => Err("must be download or upload"),
    }
}

#[derive(Clone, Copy)]
enum ResourceType {
    Release,
    Invoice,
    Receipt,
}

fn resource_type(text: &str) -> Result<ResourceType, &'static str> {
    match text {
        "release" => Ok(ResourceType::Release),
        "invoice" => Ok(ResourceType::Invoice),
        "receipt" => Ok(ResourceType::Receipt),
        _ => Err("must be release, invoice or receipt"),
    }
}

/// An id is of its type's form.
fn resource(body: &mut Body<'_>) -> Field<Resource> {
    let of_type = body.required("type", resource_type);
    match of_type.get() {
        Some(ResourceType::Release) => body.required("id", rules::uuid).map(Resource::Release),
        Some(ResourceType::Invoice) => body
            .required("id", InvoiceNumber::parse)
            .map(|number| Resource::Document(DocumentSubject::Invoice(number))),
        Some(ResourceType::Receipt) => body
            .required("id", ReceiptNumber::parse)
            .map(|number| Resource::Document(DocumentSubject::Receipt(number))),
        // The type's fault was recorded; of the id it can only be said whether it is there.
        None => Field::all((of_type, body.required("id", rules::text(1..=64))))
            .map(|_| Resource::Release(Uuid::nil())),
    }
}

async fn handle(
    state: web::Data<State>,
    SignedIn(session): SignedIn,
    request_id: RequestId,
    mut input: Input,
) -> Result<HttpResponse, ApiError> {
    let mut body = input.body()?;
    let operation = body.required("operation", operation);
    let resource = body.object("resource", resource);
    if operation.get() == Some(&Operation::Upload) && matches!(resource.get(), Some(Resource::Document(_))) {
        body.fault("resource.type", "must be release for an upload");
    }
    let (least, most) = (SHORTEST_TTL.as_secs() as u32, LONGEST_TTL.as_secs() as u32);
    let ttl = body.optional_integer("ttlSeconds", least..=most);
    let (operation, resource, ttl) = input.finish((operation, resource, ttl))?;
    let ttl = ttl.map_or(USUAL_TTL, |seconds| Duration::from_secs(seconds.into()));
    let terms = Terms { now: state.actors.clock.now(), ttl };
    let viewer = Viewer::from(&*session);
    let signed = match (operation, resource) {
        (Operation::Download, Resource::Release(id)) => download(&state, viewer, id, terms).await?,
        (Operation::Download, Resource::Document(subject)) => {
            state.documents.deliver(&state.actors, viewer, subject, terms).await?
        }
        (Operation::Upload, _) if session.user.role < Role::Admin => {
            return Err(ApiError::new(Code::FORBIDDEN));
        }
        (Operation::Upload, Resource::Release(id)) => upload(&state, viewer, id, terms, &request_id).await?,
        (Operation::Upload, Resource::Document(_)) => {
            return Err(ApiError::internal("an upload of a document was let through"));
        }
    };
    let SignedUrl { url, method, headers, expires_at } = signed;
    Ok(HttpResponse::Ok().json(Signed { url, method, headers, expires_at }))
}

async fn download(
    state: &State,
    viewer: Viewer,
    release_id: Uuid,
    terms: Terms,
) -> Result<SignedUrl, ApiError> {
    let find = FindDownload { viewer, release_id, unpublished_to_admins: true };
    let ReleaseFile { file_name, file } = ask(state.actors.releases.of(&viewer.scope), find).await?;
    release_url(&state.storage, &file, &file_name, terms).await
}

async fn upload(
    state: &State,
    viewer: Viewer,
    release_id: Uuid,
    terms: Terms,
    request_id: &RequestId,
) -> Result<SignedUrl, ApiError> {
    let scope = viewer.scope;
    let note = NoteUpload { scope, release_id, by_user_id: viewer.user_id, request_id: request_id.audited() };
    if !ask(state.actors.releases.of(&scope), note).await? {
        return Err(ApiError::new(Code::NOT_FOUND));
    }
    let key = object_key::of_upload(scope.tenant_id(), release_id);
    // Only for whether the store can be reached: an upload before this one is replaced.
    let _replaced = state.storage.has(&key).await?;
    Ok(state.storage.presign_upload(&key, terms).await?)
}
