//! What the operator's commands do with licences: issue one without an order, show it, revoke it.
//!
//! Each activation and validation reads the licence's row, so a revocation takes effect with its commit.

use chrono::{DateTime, TimeDelta, Utc};
use primetech_kernel::audit_log::{self, Entry, Subject};
use primetech_kernel::caller::Viewer;
use primetech_kernel::database::Database;
use primetech_kernel::database::tx::TenantTx;
use primetech_kernel::fault::Fault;
use primetech_kernel::identifiers::LicenceKey;
use primetech_kernel::random;
use primetech_kernel::tenancy::TenantScope;
use serde::Serialize;
use serde_json::json;

use crate::decide::LicenceState;
use crate::messages::{EndedActivation, LicenceView};
use crate::store::{self, IssuedLicence, KEY_TRIES};

/// Ended activations that are shown.
const ENDED_SHOWN: i64 = 20;

/// A licence as the operator sees it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenceRecord {
    #[serde(flatten)]
    pub view: LicenceView,
    pub owner_email: Option<String>,
    /// Newest first, at most twenty.
    pub ended_activations: Vec<EndedActivation>,
}

/// When an issued licence ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// As the product says.
    OfProduct,
    At(DateTime<Utc>),
    AfterDays(i32),
    Never,
}

#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("there is no such product")]
    ProductNotFound,
    #[error("it is a {0} product, and only a LICENCE product has licences")]
    NotLicensed(String),
    #[error("no user has this e-mail address")]
    UserNotFound,
    #[error("the licence would have expired before it begins")]
    ExpiryPassed,
    #[error("there is no such licence")]
    LicenceNotFound,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Issues a licence without an order, with or without an owner.
pub async fn issue(
    database: &Database,
    now: DateTime<Utc>,
    scope: &TenantScope,
    sku: &str,
    owner_email: Option<&str>,
    expiry: Expiry,
) -> Result<LicenceRecord, OperatorError> {
    database
        .write(scope, async |tx| {
            let Some((product_id, kind, days)) = store::find_product(tx, sku).await? else {
                return Ok(Err(OperatorError::ProductNotFound));
            };
            if kind != "LICENCE" {
                return Ok(Err(OperatorError::NotLicensed(kind)));
            }
            let after = |days: i32| now + TimeDelta::days(i64::from(days));
            let expires_at = match expiry {
                Expiry::OfProduct => days.map(after),
                Expiry::AfterDays(days) => Some(after(days)),
                Expiry::At(time) => Some(time),
                Expiry::Never => None,
            };
            if expires_at.is_some_and(|end| end <= now) {
                return Ok(Err(OperatorError::ExpiryPassed));
            }
            let user_id = match owner_email {
                None => None,
                Some(email) => match store::find_user_id(tx, email).await? {
                    Some(user_id) => Some(user_id),
                    None => return Ok(Err(OperatorError::UserNotFound)),
                },
            };
            for _ in 0..KEY_TRIES {
                let (id, key) = (random::row_id(now), LicenceKey::generate());
                let licence =
                    IssuedLicence { id, key: &key, product_id, user_id, expires_at, created_at: now };
                if store::insert_issued(tx, &licence).await? {
                    let entry = Entry::new(
                        tx.tenant_id(),
                        tx.actor(),
                        "licence.issued",
                        Subject("licence", id),
                    )
                    .after(
                        json!({"status": "ACTIVE", "sku": sku, "userId": user_id, "expiresAt": expires_at}),
                    );
                    audit_log::record(tx.connection(), now, &[entry]).await?;
                    return read(tx, *scope, &key, now).await;
                }
            }
            Ok(Err(Fault::internal("no free licence key was found").into()))
        })
        .await
}

pub async fn show(
    database: &Database,
    now: DateTime<Utc>,
    scope: &TenantScope,
    key: &LicenceKey,
) -> Result<LicenceRecord, OperatorError> {
    database.read(scope, async |tx| read(tx, *scope, key, now).await).await?
}

/// Revokes a licence for good; its activation stays on record. Tells whether that changed anything.
pub async fn revoke(
    database: &Database,
    now: DateTime<Utc>,
    scope: &TenantScope,
    key: &LicenceKey,
) -> Result<(LicenceRecord, bool), OperatorError> {
    database
        .write(scope, async |tx| {
            let revoked = store::revoke(tx, key).await?;
            if let Some((id, status)) = &revoked {
                let entry =
                    Entry::new(tx.tenant_id(), tx.actor(), "licence.status_changed", Subject("licence", *id))
                        .before(json!({"status": status, "byPayment": status == "REVOKED"}))
                        .after(json!({"status": "REVOKED", "byPayment": false}));
                audit_log::record(tx.connection(), now, &[entry]).await?;
            }
            let changed = revoked.is_some_and(|(_, status)| status != "REVOKED");
            Ok(read(tx, *scope, key, now).await?.map(|licence| (licence, changed)))
        })
        .await
}

async fn read(
    tx: &mut TenantTx,
    scope: TenantScope,
    key: &LicenceKey,
    now: DateTime<Utc>,
) -> sqlx::Result<Result<LicenceRecord, OperatorError>> {
    let found: Option<LicenceState> = store::find(tx, &Viewer::of_platform(scope), key).await?;
    let Some(licence) = found else { return Ok(Err(OperatorError::LicenceNotFound)) };
    let owner_email = match licence.user_id {
        Some(user_id) => store::owner_email(tx, user_id).await?,
        None => None,
    };
    let ended_activations = store::ended_activations(tx, licence.id, ENDED_SHOWN).await?;
    Ok(Ok(LicenceRecord { view: licence.view(now), owner_email, ended_activations }))
}
