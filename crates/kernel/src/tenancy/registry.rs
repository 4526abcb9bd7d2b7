//! Tenants and their hosts, for the operator.
//!
//! Only the operator's commands call this. The tables' triggers announce what it writes, so every process drops its
//! cached hosts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::TenantScope;
use crate::audit_log::{self, Entry, Subject};
use crate::database::Database;
use crate::database::owner::{OwnerConnection, OwnerTx};
use crate::fault::Fault;
use crate::random;

/// A tenant as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct TenantRecord {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub active: bool,
    /// Lines of the postal address on documents.
    pub address: Vec<String>,
    /// Every host, folded.
    pub domains: Vec<String>,
    /// Web origins beyond them that a checkout may send its customer back to.
    pub return_origins: Vec<String>,
    /// The modules whose endpoints answer the tenant 404.
    pub switched_off_modules: Vec<String>,
    /// On documents.
    pub tax_id: Option<String>,
    /// Where links in its mails lead to, without a slash at the end; none: to the front end of the installation.
    pub site_url: Option<String>,
    /// Where answers to its mails go to; none: to the address that they are from.
    pub reply_to: Option<String>,
    pub created_at: DateTime<Utc>,
}

impl TenantRecord {
    /// The operator may work on any tenant, also on one that is switched off.
    pub fn scope(&self) -> TenantScope {
        TenantScope::proven(self.id)
    }
}

#[derive(Debug, Clone)]
pub struct NewTenant {
    pub slug: String,
    pub name: String,
    /// Folded as requests' hosts are.
    pub domains: Vec<String>,
    pub address: Vec<String>,
}

/// What of a tenant is set anew. None: it stays. An inner none, or an empty address, takes away what there is.
#[derive(Debug, Clone, Default)]
pub struct TenantChanges {
    pub name: Option<String>,
    pub address: Option<Vec<String>>,
    pub tax_id: Option<Option<String>>,
    /// Without a slash at the end.
    pub site_url: Option<Option<String>>,
    pub reply_to: Option<Option<String>>,
}

impl TenantChanges {
    /// What `tenant` is after them, but for what they do not change.
    fn applied_to(&self, tenant: &TenantRecord) -> TenantRecord {
        let mut after = tenant.clone();
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        if let Some(address) = &self.address {
            after.address.clone_from(address);
        }
        for (new, field) in [
            (&self.tax_id, &mut after.tax_id),
            (&self.site_url, &mut after.site_url),
            (&self.reply_to, &mut after.reply_to),
        ] {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
        after
    }
}

/// What the audit log says of the members in which a tenant differs from `other`.
fn differing(tenant: &TenantRecord, other: &TenantRecord) -> Value {
    let members = |tenant: &TenantRecord| {
        json!({"name": tenant.name, "address": tenant.address, "taxId": tenant.tax_id,
               "siteUrl": tenant.site_url, "replyTo": tenant.reply_to})
    };
    let (mut members, others) = (members(tenant), members(other));
    if let Some(members) = members.as_object_mut() {
        members.retain(|name, value| others[name.as_str()] != *value);
    }
    members
}

/// As the table's constraint has it.
const MOST_RETURN_ORIGINS: usize = 50;

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("there is a tenant {0} already")]
    SlugTaken(String),
    #[error("there is no tenant {0}")]
    NotFound(String),
    /// Hosts, each with the slug of the tenant that has it.
    #[error("{}", told(.0))]
    HostsTaken(Vec<(String, String)>),
    #[error("a tenant has at most {MOST_RETURN_ORIGINS} further origins")]
    TooManyOrigins,
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn told(hosts: &[(String, String)]) -> String {
    let each =
        hosts.iter().map(|(host, slug)| format!("the host {host} belongs to the tenant {slug} already"));
    each.collect::<Vec<_>>().join("; ")
}

macro_rules! select_tenants {
    ($which:literal) => {
        concat!(
            "SELECT t.id, t.slug, t.name, t.active, t.address,
                    ARRAY(SELECT d.host FROM tenant_domains d WHERE d.tenant_id = t.id ORDER BY d.created_at, d.host)
                        AS domains,
                    t.return_origins, t.switched_off_modules, t.tax_id, t.site_url, t.reply_to, t.created_at
             FROM tenants t ",
            $which
        )
    };
}

/// All tenants, by slug.
pub async fn list(database: &Database) -> Result<Vec<TenantRecord>, Fault> {
    Ok(sqlx::query_as(select_tenants!("ORDER BY t.slug")).fetch_all(database.pool()).await?)
}

/// The tenant of a slug: the operator's way to a [`TenantScope`].
pub async fn find(database: &Database, slug: &str) -> Result<Option<TenantRecord>, Fault> {
    let query = sqlx::query_as(select_tenants!("WHERE t.slug = $1"));
    Ok(query.bind(slug).fetch_optional(database.pool()).await?)
}

/// Makes a tenant that is switched on, with its hosts; all or nothing.
pub async fn create(
    owner: &mut OwnerConnection,
    now: DateTime<Utc>,
    new: &NewTenant,
) -> Result<TenantRecord, RegistryError> {
    owner
        .write(async |tx| {
            let id = random::row_id(now);
            let made = sqlx::query(
                "INSERT INTO tenants (id, slug, name, address, created_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (slug) DO NOTHING",
            )
            .bind(id)
            .bind(&new.slug)
            .bind(&new.name)
            .bind(&new.address)
            .bind(now)
            .execute(tx.connection())
            .await?;
            if made.rows_affected() == 0 {
                return Ok(Err(RegistryError::SlugTaken(new.slug.clone())));
            }
            let mut taken = Vec::new();
            for host in &new.domains {
                match insert_host(tx, id, host, now).await? {
                    Some(slug) if slug != new.slug => taken.push((host.clone(), slug)),
                    _ => {}
                }
            }
            if !taken.is_empty() {
                return Ok(Err(RegistryError::HostsTaken(taken)));
            }
            let after = json!({"slug": new.slug, "name": new.name, "domains": new.domains});
            record(tx, now, id, "tenant.created", after).await?;
            read(tx.connection(), &new.slug).await
        })
        .await
}

/// Switches a tenant on or off. Tells whether that changed anything.
pub async fn set_active(
    owner: &mut OwnerConnection,
    now: DateTime<Utc>,
    slug: &str,
    active: bool,
) -> Result<(TenantRecord, bool), RegistryError> {
    owner
        .write(async |tx| {
            let changed = sqlx::query("UPDATE tenants SET active = $2 WHERE slug = $1 AND active <> $2")
                .bind(slug)
                .bind(active)
                .execute(tx.connection())
                .await?
                .rows_affected()
                > 0;
            let tenant = match read(tx.connection(), slug).await? {
                Ok(tenant) => tenant,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if changed {
                let action = if active { "tenant.activated" } else { "tenant.deactivated" };
                record(tx, now, tenant.id, action, json!({ "active": active })).await?;
            }
            Ok(Ok((tenant, changed)))
        })
        .await
}

async fn record(
    tx: &mut OwnerTx<'_>,
    now: DateTime<Utc>,
    tenant_id: Uuid,
    action: &'static str,
    after: Value,
) -> sqlx::Result<()> {
    tx.open_tenant(tenant_id).await?;
    let entry = Entry::new(tenant_id, tx.actor(), action, Subject("tenant", tenant_id)).after(after);
    audit_log::record(tx.connection(), now, &[entry]).await
}

/// Gives a tenant one more host. Tells whether it had it already.
pub async fn add_domain(
    owner: &mut OwnerConnection,
    now: DateTime<Utc>,
    slug: &str,
    host: &str,
) -> Result<(TenantRecord, bool), RegistryError> {
    owner
        .write(async |tx| {
            let tenant = match read(tx.connection(), slug).await? {
                Ok(tenant) => tenant,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let taken_by = insert_host(tx, tenant.id, host, now).await?;
            if let Some(other) = taken_by.filter(|other| other != slug) {
                return Ok(Err(RegistryError::HostsTaken(vec![(host.to_owned(), other)])));
            }
            let changed = !tenant.domains.iter().any(|known| known == host);
            if changed {
                record(tx, now, tenant.id, "tenant.domain_added", json!({ "host": host })).await?;
            }
            Ok(read(tx.connection(), slug).await?.map(|tenant| (tenant, changed)))
        })
        .await
}

/// Sets what documents and mails say of a tenant, from now on. Tells whether that changed anything.
pub async fn set(
    owner: &mut OwnerConnection,
    now: DateTime<Utc>,
    slug: &str,
    changes: &TenantChanges,
) -> Result<(TenantRecord, bool), RegistryError> {
    owner
        .write(async |tx| {
            // Locked, so that the audit log says of two changes at once what each of them found.
            let locked = "SELECT id FROM tenants WHERE slug = $1 FOR UPDATE";
            sqlx::query(locked).bind(slug).execute(tx.connection()).await?;
            let before = match read(tx.connection(), slug).await? {
                Ok(tenant) => tenant,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let after = changes.applied_to(&before);
            if after == before {
                return Ok(Ok((before, false)));
            }
            sqlx::query(
                "UPDATE tenants SET name = $2, address = $3, tax_id = $4, site_url = $5, reply_to = $6 WHERE slug = $1",
            )
            .bind(slug)
            .bind(&after.name)
            .bind(&after.address)
            .bind(&after.tax_id)
            .bind(&after.site_url)
            .bind(&after.reply_to)
            .execute(tx.connection())
            .await?;
            tx.open_tenant(after.id).await?;
            let entry = Entry::new(after.id, tx.actor(), "tenant.changed", Subject("tenant", after.id))
                .before(differing(&before, &after))
                .after(differing(&after, &before));
            audit_log::record(tx.connection(), now, &[entry]).await?;
            Ok(Ok((after, true)))
        })
        .await
}

/// Lets a tenant's checkouts send their customers back to one more web origin, or no more to it. Tells whether that
/// changed anything.
pub async fn set_return_origin(
    owner: &mut OwnerConnection,
    now: DateTime<Utc>,
    slug: &str,
    origin: &str,
    allowed: bool,
) -> Result<(TenantRecord, bool), RegistryError> {
    owner
        .write(async |tx| {
            // Locked, so that of two changes at once neither is lost.
            let locked = "SELECT id FROM tenants WHERE slug = $1 FOR UPDATE";
            sqlx::query(locked).bind(slug).execute(tx.connection()).await?;
            let tenant = match read(tx.connection(), slug).await? {
                Ok(tenant) => tenant,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let mut origins = tenant.return_origins.clone();
            origins.retain(|known| known != origin);
            if allowed {
                origins.push(origin.to_owned());
            }
            origins.sort_unstable();
            if origins == tenant.return_origins {
                return Ok(Ok((tenant, false)));
            }
            if origins.len() > MOST_RETURN_ORIGINS {
                return Ok(Err(RegistryError::TooManyOrigins));
            }
            let update = "UPDATE tenants SET return_origins = $2 WHERE slug = $1";
            sqlx::query(update).bind(slug).bind(&origins).execute(tx.connection()).await?;
            let action =
                if allowed { "tenant.return_origin_allowed" } else { "tenant.return_origin_disallowed" };
            record(tx, now, tenant.id, action, json!({ "origin": origin })).await?;
            Ok(read(tx.connection(), slug).await?.map(|tenant| (tenant, true)))
        })
        .await
}

/// Switches a module on or off for a tenant. Tells whether that changed anything.
pub async fn switch_module(
    owner: &mut OwnerConnection,
    now: DateTime<Utc>,
    slug: &str,
    module: &str,
    on: bool,
) -> Result<(TenantRecord, bool), RegistryError> {
    owner
        .write(async |tx| {
            // One statement, so that of two changes at once neither is lost.
            let changed: Option<Uuid> = sqlx::query_scalar(
                "UPDATE tenants SET switched_off_modules =
                     CASE WHEN $3 THEN array_remove(switched_off_modules, $2)
                          ELSE ARRAY(SELECT unnest(switched_off_modules || $2) ORDER BY 1) END
                 WHERE slug = $1 AND ($2 = ANY (switched_off_modules)) = $3 RETURNING id",
            )
            .bind(slug)
            .bind(module)
            .bind(on)
            .fetch_optional(tx.connection())
            .await?;
            if let Some(tenant_id) = changed {
                let action = if on { "tenant.module_switched_on" } else { "tenant.module_switched_off" };
                record(tx, now, tenant_id, action, json!({ "module": module })).await?;
            }
            Ok(read(tx.connection(), slug).await?.map(|tenant| (tenant, changed.is_some())))
        })
        .await
}

async fn read(
    connection: &mut PgConnection,
    slug: &str,
) -> sqlx::Result<Result<TenantRecord, RegistryError>> {
    let found: Option<TenantRecord> =
        sqlx::query_as(select_tenants!("WHERE t.slug = $1")).bind(slug).fetch_optional(connection).await?;
    Ok(found.ok_or_else(|| RegistryError::NotFound(slug.to_owned())))
}

/// Writes a host, and gives the slug of the tenant that has it where it is there already.
async fn insert_host(
    tx: &mut OwnerTx<'_>,
    tenant_id: Uuid,
    host: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    tx.open_tenant(tenant_id).await?;
    let made = sqlx::query(
        "INSERT INTO tenant_domains (tenant_id, id, host, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO NOTHING",
    )
    .bind(tenant_id)
    .bind(random::row_id(now))
    .bind(host)
    .bind(now)
    .execute(tx.connection())
    .await?;
    if made.rows_affected() > 0 {
        return Ok(None);
    }
    let holder: Option<(String,)> = sqlx::query_as(
        "SELECT t.slug FROM tenant_domains d JOIN tenants t ON t.id = d.tenant_id WHERE d.host = $1",
    )
    .bind(host)
    .fetch_optional(tx.connection())
    .await?;
    Ok(holder.map(|(slug,)| slug))
}
