use std::sync::Arc;

use actix::Message;
use chrono::{DateTime, Utc};
use primetech_kernel::audit_log::RequestId;
use primetech_kernel::caller::Viewer;
use primetech_kernel::fault::Fault;
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::tenancy::{Tenant, TenantScope};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{ActivateError, DeactivateError};

/// The state of a licence as it is seen at one moment: `Expired` is an active one past its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LicenceStatus {
    Active,
    Suspended,
    Revoked,
    Expired,
}

/// A licence as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Licence)]
pub struct LicenceView {
    #[schema(value_type = String, example = "LIC-7K2P-M4QX-9TZB", pattern = "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$")]
    pub key: LicenceKey,
    pub status: LicenceStatus,
    #[schema(example = "editor-pro")]
    pub product_sku: String,
    #[schema(example = "ORD-20260131-7K2P", pattern = "^ORD-[0-9]{8}-[A-Z0-9]{4}$")]
    pub order_number: Option<String>,
    #[schema(example = 1, minimum = 1, maximum = 1)]
    pub max_activations: u8,
    pub activation: Option<ActivationView>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// The device that a licence is active on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Activation)]
pub struct ActivationView {
    pub id: Uuid,
    #[schema(value_type = String, example = "LIC-7K2P-M4QX-9TZB", pattern = "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$")]
    pub lic_key: LicenceKey,
    #[schema(example = "mac:8f14e45f", pattern = "^[A-Za-z0-9._:-]{8,128}$")]
    pub fingerprint: String,
    #[schema(example = "Jane's laptop")]
    pub device_name: Option<String>,
    pub activated_at: DateTime<Utc>,
}

/// Makes this device the one that the licence is active on.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Activated, ActivateError>")]
pub struct Activate {
    pub tenant: Arc<Tenant>,
    pub key: LicenceKey,
    /// 8 to 128 of `A-Za-z0-9._:-`.
    pub fingerprint: String,
    pub device_name: Option<String>,
    pub request_id: Option<RequestId>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Activated {
    pub activation: ActivationView,
    /// False if this device was already the active one.
    pub created: bool,
    /// A compact JWS (RFC 7515). With it the device can verify its licence offline.
    #[schema(example = "eyJhbGciOiJFZERTQSJ9.eyJsaWNLZXkiOiJMSUMifQ.c2ln")]
    pub certificate: String,
}

/// Who asks for a deactivation.
#[derive(Debug, Clone)]
pub enum DeactivateBy {
    /// The device itself.
    Fingerprint(String),
    /// The licence's owner, or an admin.
    Viewer(Viewer),
}

#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<LicenceView, DeactivateError>")]
pub struct Deactivate {
    pub scope: TenantScope,
    pub key: LicenceKey,
    pub by: DeactivateBy,
    pub request_id: Option<RequestId>,
}

/// Whether a licence is good, and on this device where one is named.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Validated, Fault>")]
pub struct Validate {
    pub scope: TenantScope,
    pub key: LicenceKey,
    pub fingerprint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ValidationCode {
    Valid,
    LicenceNotFound,
    LicenceSuspended,
    LicenceRevoked,
    LicenceExpired,
    NotActivated,
    FingerprintMismatch,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Validated {
    pub valid: bool,
    pub code: ValidationCode,
    pub licence: Option<ValidatedLicence>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidatedLicence {
    #[schema(value_type = String, example = "LIC-7K2P-M4QX-9TZB", pattern = "^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$")]
    pub key: LicenceKey,
    pub status: LicenceStatus,
    #[schema(example = "editor-pro")]
    pub product_sku: String,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A device that the licence was active on before.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct EndedActivation {
    pub fingerprint: String,
    pub device_name: Option<String>,
    pub activated_at: DateTime<Utc>,
    pub deactivated_at: DateTime<Utc>,
}
