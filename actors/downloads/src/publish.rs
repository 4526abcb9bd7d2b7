//! Publishes a release for the operator's commands: a question before the upload, and one statement after it. Nothing
//! of the release is visible before that statement, so an interrupted upload leaves nothing.

use primetech_kernel::audit_log::{self, Entry, Subject};
use primetech_kernel::clock::Clock;
use primetech_kernel::database::Database;
use primetech_kernel::fault::Fault;
use primetech_kernel::page::{PageRequest, Position};
use primetech_kernel::tenancy::TenantScope;
use serde_json::json;
use uuid::Uuid;

use crate::store;
use crate::views::{NewRelease, ReleaseView};

/// Which release is meant.
#[derive(Debug, Clone)]
pub struct ReleaseName {
    pub sku: String,
    pub version: String,
    pub channel: String,
    pub platform: String,
}

/// Where a release goes: its product was found, and its version is free.
#[derive(Debug, Clone)]
pub struct PublishTarget {
    scope: TenantScope,
    product_id: Uuid,
}

impl PublishTarget {
    pub fn tenant_id(&self) -> Uuid {
        self.scope.tenant_id()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("there is no product {0}")]
    ProductNotFound(String),
    #[error("{0} is a SERVICE product: it has nothing to download")]
    NothingToDownload(String),
    #[error("this version is published already; a changed file needs a new version")]
    AlreadyPublished,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Whether the release can be published, and where.
pub async fn prepare(
    database: &Database,
    scope: TenantScope,
    name: &ReleaseName,
) -> Result<PublishTarget, PublishError> {
    let found = database
        .read(&scope, async |tx| {
            let Some(product) = store::product(tx, &name.sku).await? else { return Ok(None) };
            let published =
                store::is_published(tx, product.id, &name.version, &name.channel, &name.platform).await?;
            Ok(Some((product, published)))
        })
        .await?;
    match found {
        None => Err(PublishError::ProductNotFound(name.sku.clone())),
        Some((product, _)) if product.kind == "SERVICE" => {
            Err(PublishError::NothingToDownload(name.sku.clone()))
        }
        Some((_, true)) => Err(PublishError::AlreadyPublished),
        Some((product, false)) => Ok(PublishTarget { scope, product_id: product.id }),
    }
}

/// Publishes it, at once and as a whole. Of two that publish one version at the same time, one is refused.
pub async fn publish(
    database: &Database,
    clock: &dyn Clock,
    target: &PublishTarget,
    release: &NewRelease,
) -> Result<ReleaseView, PublishError> {
    database
        .write(&target.scope, async |tx| {
            let now = clock.now();
            let published = store::publish(tx, target.product_id, release, now).await?;
            if let Some(published) = &published {
                let subject = Subject("release", published.id);
                let entry =
                    Entry::new(tx.tenant_id(), tx.actor(), "release.published", subject).after(json!({
                        "sku": published.product_sku,
                        "version": published.version,
                        "channel": release.channel,
                        "platform": release.platform,
                    }));
                audit_log::record(tx.connection(), now, &[entry]).await?;
            }
            Ok(published.ok_or(PublishError::AlreadyPublished))
        })
        .await
}

/// All published releases of a tenant, newest first.
pub async fn list_all(database: &Database, scope: TenantScope) -> Result<Vec<ReleaseView>, Fault> {
    const ROWS_AT_ONCE: u32 = 100;
    let mut all = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let page = PageRequest { list: 0, limit: ROWS_AT_ONCE, after };
        let page = database.read(&scope, async |tx| store::list(tx, &page).await).await?;
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}
