//! Checks that a tenant's invoice and receipt numbers of a year have no gap and no repeat.
//!
//! Reads one snapshot and writes nothing, so new numbers do not disturb it. The operator's `audit numbers` calls it.
//! [`series`] has the rules, without a database.

mod report;
mod series;
mod store;

use chrono::{DateTime, Utc};

pub use report::{Amount, CounterState, Finding, NumberReport, SeriesReport, StatusTotal, VoidInvoice};
pub use series::Checkpoint;

use crate::database::Database;
use crate::fault::Fault;
use crate::tenancy::registry::TenantRecord;
use series::{Kind, SeriesAudit};

/// What an earlier report said, to be proven again.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    pub invoices: Option<Checkpoint>,
    pub receipts: Option<Checkpoint>,
}

/// Audits the INV and RCP series of `tenant` in the UTC year `year`.
pub async fn numbers(
    database: &Database,
    now: DateTime<Utc>,
    tenant: &TenantRecord,
    year: i32,
    earlier: &Earlier,
) -> Result<NumberReport, Fault> {
    database
        .read_snapshot(&tenant.scope(), async |tx| {
            let snapshot = store::begin(tx).await?;
            let mut invoices = SeriesAudit::new(Kind::Invoice, year, earlier.invoices.clone());
            store::invoices(tx, year, |row| invoices.push(row)).await?;
            let mut receipts = SeriesAudit::new(Kind::Receipt, year, earlier.receipts.clone());
            store::receipts(tx, year, |row| receipts.push(row)).await?;
            let invoice_counter = store::counter(tx, Kind::Invoice, year).await?;
            let receipt_counter = store::counter(tx, Kind::Receipt, year).await?;
            let series = vec![invoices.finish(invoice_counter), receipts.finish(receipt_counter)];
            Ok(NumberReport::new(tenant, year, now, snapshot, series))
        })
        .await
}
