use std::sync::Arc;

use dashmap::DashMap;
use uuid::Uuid;

use super::TenantScope;
use crate::database::Database;
use crate::fault::Fault;
use crate::invalidation::{CacheEpoch, Change};

/// The most hosts that are cached: a flood of invented hosts must not fill the memory.
const MAX_CACHED_HOSTS: usize = 65_536;

/// A tenant as requests see it.
#[derive(Debug, Clone)]
pub struct Tenant {
    scope: TenantScope,
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    /// Every host of the tenant, folded.
    pub domains: Vec<String>,
    /// Further web origins that a checkout may send its customer back to.
    pub return_origins: Vec<String>,
    /// The modules whose endpoints it does without.
    pub switched_off_modules: Vec<String>,
    /// Where its customers are led to, without a slash at the end; none: to the front end of the installation.
    pub site_url: Option<String>,
}

/// What the mails sent on a tenant's behalf bear.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Letterhead {
    pub name: String,
    /// The beginning of links, without a slash at the end; none: the front end of the installation.
    pub site_url: Option<String>,
    /// Where answers go to; none: to the address that mails are from.
    pub reply_to: Option<String>,
}

impl Tenant {
    pub fn scope(&self) -> TenantScope {
        self.scope
    }
}

/// What a host stands for.
#[derive(Debug, Clone)]
pub enum Resolution {
    Active(Arc<Tenant>),
    /// The tenant is switched off.
    Inactive,
    Unknown,
}

/// Looks hosts up. Answers are cached until a change of a tenant or domain is announced; while announcements cannot
/// be heard, nothing is taken from the cache.
#[derive(Clone)]
pub struct TenantDirectory {
    database: Database,
    epoch: Arc<CacheEpoch>,
    hosts: Arc<DashMap<String, Resolution>>,
}

#[derive(sqlx::FromRow)]
struct TenantRow {
    id: Uuid,
    slug: String,
    name: String,
    active: bool,
    domains: Vec<String>,
    return_origins: Vec<String>,
    switched_off_modules: Vec<String>,
    site_url: Option<String>,
}

impl TenantDirectory {
    pub fn new(database: Database, epoch: Arc<CacheEpoch>) -> Self {
        let hosts: Arc<DashMap<String, Resolution>> = Arc::default();
        let cached = Arc::clone(&hosts);
        epoch.subscribe(move |change| {
            if matches!(change, Change::Tenant(_) | Change::Everything) {
                cached.clear();
            }
        });
        Self { database, epoch, hosts }
    }

    /// The tenant of `host`: folded to lower case, without a port.
    pub async fn resolve(&self, host: &str) -> Result<Resolution, Fault> {
        if self.epoch.is_heard()
            && let Some(known) = self.hosts.get(host)
        {
            return Ok(known.clone());
        }
        let epoch = self.epoch.current();
        let resolution = match self.load(host).await? {
            None => Resolution::Unknown,
            Some(row) if !row.active => Resolution::Inactive,
            Some(row) => Resolution::Active(Arc::new(Tenant {
                scope: TenantScope::proven(row.id),
                id: row.id,
                slug: row.slug,
                name: row.name,
                domains: row.domains,
                return_origins: row.return_origins,
                switched_off_modules: row.switched_off_modules,
                site_url: row.site_url,
            })),
        };
        // Unknown hosts are not kept: anyone can invent one.
        if !matches!(resolution, Resolution::Unknown) && self.hosts.len() < MAX_CACHED_HOSTS {
            self.epoch.if_unchanged(epoch, || self.hosts.insert(host.to_owned(), resolution.clone()));
        }
        Ok(resolution)
    }

    /// What a tenant's mails bear, as it is now.
    pub async fn letterhead(&self, scope: &TenantScope) -> Result<Letterhead, Fault> {
        let query = sqlx::query_as("SELECT name, site_url, reply_to FROM tenants WHERE id = $1");
        let query = query.bind(scope.tenant_id());
        Ok(self.database.wait(query.fetch_one(self.database.pool())).await?)
    }

    async fn load(&self, host: &str) -> Result<Option<TenantRow>, Fault> {
        let query = "SELECT t.id, t.slug, t.name, t.active, t.return_origins, t.switched_off_modules, t.site_url,
                            ARRAY(SELECT other.host FROM tenant_domains other WHERE other.tenant_id = t.id ORDER BY other.host) AS domains
                     FROM tenant_domains d JOIN tenants t ON t.id = d.tenant_id
                     WHERE d.host = $1";
        let mut tries = crate::database::tx::Tries::new();
        loop {
            let row = sqlx::query_as(query).bind(host).fetch_optional(self.database.pool());
            match self.database.wait(row).await {
                Ok(row) => return Ok(row),
                Err(error) => tries.again_after(error)?,
            }
        }
    }
}
