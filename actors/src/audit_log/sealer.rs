//! The sealer: chains the entries that were committed since it last looked. Runs in every serving process; a tenant's
//! chain is extended by one of them at a time.

use std::time::Duration;

use tokio::sync::watch;

use super::entry::{first_hash, link};
use super::store;
use crate::database::Database;
use crate::database::tx::TenantTx;
use crate::fault::Fault;
use crate::tenancy::TenantScope;

/// How often committed entries are looked for: for so long an entry is in no chain.
const EVERY: Duration = Duration::from_secs(1);

/// Entries of one transaction: some tens of milliseconds.
const BATCH: i64 = 2_000;

pub struct Sealer {
    database: Database,
}

impl Sealer {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Seals until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut is_failing = false;
        while !*stop.borrow() {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.changed() => {}
            }
            match self.round().await {
                Ok(sealed) => {
                    is_failing = false;
                    metrics::counter!("audit_entries_sealed_total").increment(sealed);
                }
                // One line an outage.
                Err(fault) if !is_failing => {
                    is_failing = true;
                    tracing::warn!(error = %fault, "the audit log cannot be sealed; its entries wait");
                }
                Err(_) => {}
            }
        }
    }

    /// Seals what is committed, of all tenants; tells how many entries.
    pub async fn round(&self) -> Result<u64, Fault> {
        let mut tx = self.database.sealer_tx().await?;
        let tenants = store::unsealed_tenants(tx.connection()).await?;
        tx.commit().await?;
        let mut sealed = 0;
        for tenant_id in tenants {
            let scope = TenantScope::proven(tenant_id);
            loop {
                let count: u64 =
                    self.database.write::<_, Fault>(&scope, async |tx| seal(tx).await.map(Ok)).await?;
                sealed += count;
                if count < BATCH.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(sealed)
    }
}

/// Extends a tenant's chain by one batch; by nothing, where another process is at it.
async fn seal(tx: &mut TenantTx) -> sqlx::Result<u64> {
    if !store::take_chain(tx).await? {
        return Ok(0);
    }
    let (mut position, mut previous) = match store::last_link(tx).await? {
        Some((position, hash)) => (position, hash),
        None => (0, first_hash(tx.tenant_id()).to_vec()),
    };
    let taken = store::take_unsealed(tx, BATCH).await?;
    if taken.is_empty() {
        return Ok(0);
    }
    let first = position + 1;
    let (mut entries, mut hashes) = (Vec::with_capacity(taken.len()), Vec::with_capacity(taken.len()));
    for (entry_id, entry_hash) in taken {
        position += 1;
        previous = link(&previous, position, &entry_hash).to_vec();
        entries.push(entry_id);
        hashes.push(previous.clone());
    }
    store::insert_links(tx, first, &entries, &hashes).await?;
    Ok(entries.len() as u64)
}
