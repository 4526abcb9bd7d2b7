//! The rules of activation: what a command does to a licence in a given state. Needs no database.

use chrono::{DateTime, Utc};
use primetech_kernel::caller::Viewer;
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::random;
use uuid::Uuid;

use crate::error::{ActivateError, DeactivateError};
use crate::messages::*;

/// The stored status, beside which expiry is a matter of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredStatus {
    Active,
    Suspended,
    Revoked,
}

impl StoredStatus {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "ACTIVE" => Some(Self::Active),
            "SUSPENDED" => Some(Self::Suspended),
            "REVOKED" => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// A licence and its active activation, as read from the database or changed by a command since.
#[derive(Debug, Clone)]
pub(crate) struct LicenceState {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub key: LicenceKey,
    pub status: StoredStatus,
    pub product_sku: String,
    pub order_number: Option<String>,
    pub user_id: Option<Uuid>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub activation: Option<ActivationState>,
}

#[derive(Debug, Clone)]
pub(crate) struct ActivationState {
    pub id: Uuid,
    pub fingerprint: String,
    pub device_name: Option<String>,
    pub activated_at: DateTime<Utc>,
}

/// A change of the tables that a command calls for.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Insert { licence_id: Uuid, activation: ActivationState },
    Deactivate { licence_id: Uuid, activation_id: Uuid },
}

impl LicenceState {
    pub(crate) fn status_at(&self, now: DateTime<Utc>) -> LicenceStatus {
        match self.status {
            StoredStatus::Revoked => LicenceStatus::Revoked,
            StoredStatus::Suspended => LicenceStatus::Suspended,
            StoredStatus::Active if self.expires_at.is_some_and(|expiry| expiry <= now) => {
                LicenceStatus::Expired
            }
            StoredStatus::Active => LicenceStatus::Active,
        }
    }

    fn belongs_to(&self, viewer: &Viewer) -> bool {
        viewer.only_user().is_none_or(|user_id| self.user_id == Some(user_id))
    }

    fn activation_view(&self) -> Option<ActivationView> {
        self.activation.as_ref().map(|activation| ActivationView {
            id: activation.id,
            lic_key: self.key.clone(),
            fingerprint: activation.fingerprint.clone(),
            device_name: activation.device_name.clone(),
            activated_at: activation.activated_at,
        })
    }

    pub(crate) fn view(&self, now: DateTime<Utc>) -> LicenceView {
        LicenceView {
            key: self.key.clone(),
            status: self.status_at(now),
            product_sku: self.product_sku.clone(),
            order_number: self.order_number.clone(),
            max_activations: 1,
            activation: self.activation_view(),
            expires_at: self.expires_at,
            created_at: self.created_at,
        }
    }
}

/// The activation that the device now has, and whether it was made by this command.
pub(crate) type Decided = (ActivationView, bool);

/// Activates on `fingerprint`, or tells why not. Changes `licence` as the tables will be changed.
pub(crate) fn activate(
    licence: &mut LicenceState,
    fingerprint: &str,
    device_name: Option<&str>,
    now: DateTime<Utc>,
) -> (Result<Decided, ActivateError>, Option<Change>) {
    match licence.status_at(now) {
        LicenceStatus::Active => {}
        LicenceStatus::Suspended => return (Err(ActivateError::Suspended), None),
        LicenceStatus::Revoked => return (Err(ActivateError::Revoked), None),
        LicenceStatus::Expired => return (Err(ActivateError::Expired), None),
    }
    if let Some(active) = licence.activation_view() {
        return if active.fingerprint == fingerprint {
            (Ok((active, false)), None)
        } else {
            (Err(ActivateError::MaxActivations), None)
        };
    }
    let activation = ActivationState {
        id: random::row_id(now),
        fingerprint: fingerprint.to_owned(),
        device_name: device_name.map(str::to_owned),
        activated_at: now,
    };
    let view = ActivationView {
        id: activation.id,
        lic_key: licence.key.clone(),
        fingerprint: activation.fingerprint.clone(),
        device_name: activation.device_name.clone(),
        activated_at: now,
    };
    licence.activation = Some(activation.clone());
    (Ok((view, true)), Some(Change::Insert { licence_id: licence.id, activation }))
}

/// Ends the active activation, or tells why not. A licence that is suspended, revoked or expired may be left too.
pub(crate) fn deactivate(
    licence: &mut LicenceState,
    by: &DeactivateBy,
    now: DateTime<Utc>,
) -> (Result<LicenceView, DeactivateError>, Option<Change>) {
    if let DeactivateBy::Viewer(viewer) = by
        && !licence.belongs_to(viewer)
    {
        return (Err(DeactivateError::NotFound), None);
    }
    let here = |activation: &ActivationState| match by {
        DeactivateBy::Fingerprint(fingerprint) => activation.fingerprint == *fingerprint,
        DeactivateBy::Viewer(_) => true,
    };
    match licence.activation.take_if(|activation| here(activation)) {
        Some(activation) => (
            Ok(licence.view(now)),
            Some(Change::Deactivate { licence_id: licence.id, activation_id: activation.id }),
        ),
        None => (Err(DeactivateError::NotActiveHere), None),
    }
}

/// The answer to a validation of a licence, or of none.
pub(crate) fn validate(
    licence: Option<&LicenceState>,
    fingerprint: Option<&str>,
    now: DateTime<Utc>,
) -> Validated {
    let Some(licence) = licence else {
        return Validated { valid: false, code: ValidationCode::LicenceNotFound, licence: None };
    };
    let code = match licence.status_at(now) {
        LicenceStatus::Suspended => ValidationCode::LicenceSuspended,
        LicenceStatus::Revoked => ValidationCode::LicenceRevoked,
        LicenceStatus::Expired => ValidationCode::LicenceExpired,
        LicenceStatus::Active => match (fingerprint, &licence.activation) {
            (None, _) => ValidationCode::Valid,
            (Some(_), None) => ValidationCode::NotActivated,
            (Some(asked), Some(active)) if active.fingerprint == asked => ValidationCode::Valid,
            (Some(_), Some(_)) => ValidationCode::FingerprintMismatch,
        },
    };
    Validated {
        valid: code == ValidationCode::Valid,
        code,
        licence: Some(ValidatedLicence {
            key: licence.key.clone(),
            status: licence.status_at(now),
            product_sku: licence.product_sku.clone(),
            expires_at: licence.expires_at,
        }),
    }
}
