//! The report of an audit of numbers, in the shape that scripts read.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::tenancy::registry::TenantRecord;

/// The result for one tenant and year.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberReport {
    /// No series has a finding.
    pub ok: bool,
    pub tenant: String,
    pub tenant_name: String,
    pub tenant_id: uuid::Uuid,
    pub year: i32,
    pub generated_at: DateTime<Utc>,
    pub database: String,
    /// PostgreSQL's name of the state that was read.
    pub snapshot: String,
    pub series: Vec<SeriesReport>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesReport {
    /// `INV` or `RCP`.
    pub kind: &'static str,
    pub ok: bool,
    pub count: u64,
    pub first_number: Option<String>,
    pub first_date: Option<DateTime<Utc>>,
    pub last_number: Option<String>,
    pub last_date: Option<DateTime<Utc>>,
    pub counter: CounterState,
    pub by_status: Vec<StatusTotal>,
    pub totals: Vec<Amount>,
    /// Every void invoice, in the order of numbers.
    pub void: Vec<VoidInvoice>,
    /// Numbers that carry an earlier date than the one before them. Two processes may date a moment apart.
    pub dated_before_predecessor: u64,
    pub longest_step_back_ms: i64,
    /// Of the canonical list: for each number in order `number TAB date TAB currency TAB total LF`, the date as
    /// `2026-01-31T12:00:00.000000Z`, the total in minor units.
    pub sha256: String,
    /// The first of them, at most a thousand.
    pub findings: Vec<Finding>,
    pub finding_count: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CounterState {
    /// The last number that was given out; none: no number was.
    pub last_value: Option<i32>,
    pub highest_number: Option<i32>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusTotal {
    pub status: String,
    pub count: u64,
    pub totals: Vec<Amount>,
}

/// A sum of one currency, in its minor unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    pub currency: String,
    pub total: i128,
    pub count: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VoidInvoice {
    pub number: String,
    pub date: DateTime<Utc>,
    pub currency: String,
    pub total: i64,
    pub order_number: Option<String>,
    pub order_status: Option<String>,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `GAP`, `REPEAT`, `COUNTER`, `DATE`, `NUMBER`, `ORDER`, `AMOUNT`, `RECEIPT` or `CHANGED`.
    pub code: &'static str,
    pub number: Option<String>,
    pub message: String,
}

impl NumberReport {
    pub(super) fn new(
        tenant: &TenantRecord,
        year: i32,
        generated_at: DateTime<Utc>,
        (database, snapshot): (String, String),
        series: Vec<SeriesReport>,
    ) -> Self {
        Self {
            ok: series.iter().all(|series| series.ok),
            tenant: tenant.slug.clone(),
            tenant_name: tenant.name.clone(),
            tenant_id: tenant.id,
            year,
            generated_at,
            database,
            snapshot,
            series,
        }
    }
}
