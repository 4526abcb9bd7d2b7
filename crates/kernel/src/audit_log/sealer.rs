//! The sealer: chains the entries that were committed since it last looked. Runs in every serving process; a tenant's
//! chain is extended by one of them at a time.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::entry::{first_hash, link};
use super::store;
use crate::database::Database;
use crate::database::lane::{BatchTx, Lane};
use crate::database::tx::CommitOutcome;
use crate::fault::Fault;

/// How often committed entries are looked for: for so long an entry is in no chain.
const EVERY: Duration = Duration::from_secs(1);

/// Tenants of one transaction …
const TENANTS: usize = 100;

/// … and entries, where each tenant has many: some tens of milliseconds.
const ENTRIES: usize = 2_000;

pub struct Sealer {
    database: Database,
    lane: Rc<Lane>,
}

impl Sealer {
    pub fn new(database: Database) -> Self {
        let lane = Lane::of_thread(&database);
        Self { database, lane }
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
        for tenants in tenants.chunks(TENANTS) {
            sealed += self.seal_all(tenants.to_vec()).await?;
        }
        Ok(sealed)
    }

    /// Seals what `tenants` have, transaction by transaction. What fails is left for the next round.
    async fn seal_all(&self, mut tenants: Vec<Uuid>) -> Result<u64, Fault> {
        let mut sealed = 0;
        while !tenants.is_empty() {
            let mut tx = self.lane.begin(tenants.clone()).await?;
            let at_most = ENTRIES / tenants.len();
            let counts = seal(&mut tx, &tenants, at_most).await?;
            match self.lane.commit(tx).await {
                CommitOutcome::Committed => {}
                CommitOutcome::Aborted(error) => return Err(error.into()),
                CommitOutcome::Unknown => return Err(Fault::OutcomeUnknown),
            }
            sealed += counts.values().sum::<usize>() as u64;
            tenants.retain(|tenant_id| counts.get(tenant_id) == Some(&at_most));
        }
        Ok(sealed)
    }
}

/// Extends the chain of each tenant by up to `at_most` entries, and tells by how many; by nothing, where another process
/// is at it.
async fn seal(tx: &mut BatchTx, tenants: &[Uuid], at_most: usize) -> sqlx::Result<HashMap<Uuid, usize>> {
    let (xid, tenants) = store::take_chains(tx.connection(), tenants).await?;
    tx.note_xid(xid);
    let unsealed = store::unsealed(tx.connection(), &tenants, at_most as i64).await?;
    let mut counts = HashMap::new();
    // The link before: of the same tenant, as its entries come in a row.
    let mut previous = (0, Vec::new());
    let mut links = Vec::with_capacity(unsealed.len());
    for entry in unsealed {
        let count = counts.entry(entry.tenant_id).or_default();
        if *count == 0 {
            let first = || (0, first_hash(entry.tenant_id).to_vec());
            previous = entry.last_position.zip(entry.last_hash).unwrap_or_else(first);
        }
        *count += 1;
        let position = previous.0 + 1;
        let hash = link(&previous.1, position, &entry.hash).to_vec();
        previous = (position, hash.clone());
        links.push(store::Link { tenant_id: entry.tenant_id, position, entry_id: entry.entry_id, hash });
    }
    store::seal(tx.connection(), &links).await?;
    Ok(counts)
}
