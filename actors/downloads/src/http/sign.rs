//! `POST /api/storage/signed-url`

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use primetech_actors::document::DocumentSubject;
use primetech_http::endpoint::Endpoint;
use primetech_http::error::{ApiError, Code};
use primetech_http::input::{Body, Field, Input, rules};
use primetech_http::layers::facts::RequestId;
use primetech_http::layers::permission::SignedIn;
use primetech_http::openapi::Doc;
use primetech_kernel::caller::Role;
use primetech_kernel::caller::Viewer;
use primetech_kernel::identifiers::{InvoiceNumber, ReceiptNumber};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::Downloads;
use crate::error::ENTITLEMENT_REQUIRED;
use crate::files::{LONGEST_LIFETIME, SHORTEST_LIFETIME, SignedUrl, USUAL_LIFETIME};
use crate::messages::{NoteUpload, Unpublished};

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
        .refuses(&[Code::NOT_FOUND, Code::FORBIDDEN, ENTITLEMENT_REQUIRED, Code::STORAGE_UNAVAILABLE])
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
    downloads: web::Data<Downloads>,
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
    let (least, most) = (SHORTEST_LIFETIME.as_secs() as u32, LONGEST_LIFETIME.as_secs() as u32);
    let ttl = body.optional_integer("ttlSeconds", least..=most);
    let (operation, resource, ttl) = input.finish((operation, resource, ttl))?;
    let lifetime = ttl.map_or(USUAL_LIFETIME, |seconds| Duration::from_secs(seconds.into()));
    let viewer = Viewer::from(&*session);
    let signed = match (operation, resource) {
        (Operation::Download, Resource::Release(id)) => {
            downloads.sign_download(&viewer, id, Unpublished::ToAdmins, lifetime).await?.url
        }
        (Operation::Download, Resource::Document(subject)) => {
            downloads.sign_document(viewer, subject, lifetime).await?
        }
        (Operation::Upload, _) if session.user.role < Role::Admin => {
            return Err(ApiError::new(Code::FORBIDDEN));
        }
        (Operation::Upload, Resource::Release(release_id)) => {
            let (scope, by_user_id) = (viewer.scope, viewer.user_id);
            let upload = NoteUpload { scope, release_id, by_user_id, request_id: request_id.audited() };
            downloads.sign_upload(upload, lifetime).await?
        }
        (Operation::Upload, Resource::Document(_)) => {
            return Err(ApiError::internal("an upload of a document was let through"));
        }
    };
    let SignedUrl { url, method, headers, expires_at } = signed;
    Ok(HttpResponse::Ok().json(Signed { url, method, headers, expires_at }))
}
