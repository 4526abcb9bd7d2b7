//! The rules of a number series, checked row by row in the order of the numbers. Needs no database.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use super::report::{Amount, CounterState, Finding, SeriesReport, StatusTotal, VoidInvoice};
use crate::stored_file::hex;

/// Findings that are told one by one; what is beyond them is counted.
const FINDINGS_TOLD: usize = 1_000;

/// By currency: the sum, and of how many.
type Totals = BTreeMap<String, (i128, u64)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invoice,
    Receipt,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "INV",
            Self::Receipt => "RCP",
        }
    }
}

/// How far an earlier report went, and the hash that it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub last_number: String,
    pub sha256: String,
}

/// An invoice or receipt with what it must agree with. Rows come sorted by their numbers.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct NumberedRow {
    pub number: String,
    pub date: DateTime<Utc>,
    pub currency: String,
    pub total: i64,
    /// An invoice's own status; a receipt has none.
    pub status: Option<String>,
    pub order_number: Option<String>,
    pub order_status: Option<String>,
    pub order_currency: Option<String>,
    pub order_total: Option<i64>,
    /// An invoice's own, before tax.
    pub subtotal: Option<i64>,
    /// The sum of the order's items.
    pub items_total: Option<i64>,
    /// Receipts of the invoice's order.
    pub receipts: i64,
}

/// Goes through a series.
pub(super) struct SeriesAudit {
    kind: Kind,
    year: i32,
    prefix: String,
    /// The last row's sequence, where it had one.
    sequence: i32,
    count: u64,
    first: Option<(String, DateTime<Utc>)>,
    last: Option<(String, DateTime<Utc>)>,
    by_status: BTreeMap<String, (u64, Totals)>,
    totals: Totals,
    void: Vec<VoidInvoice>,
    steps_back: u64,
    longest_step_back_ms: i64,
    hasher: Sha256,
    earlier: Option<Checkpoint>,
    /// Whether the earlier report's last number was met.
    met: bool,
    findings: Vec<Finding>,
    finding_count: u64,
}

impl SeriesAudit {
    pub fn new(kind: Kind, year: i32, earlier: Option<Checkpoint>) -> Self {
        Self {
            kind,
            year,
            prefix: format!("{}-{year:04}-", kind.as_str()),
            sequence: 0,
            count: 0,
            first: None,
            last: None,
            by_status: BTreeMap::new(),
            totals: BTreeMap::new(),
            void: Vec::new(),
            steps_back: 0,
            longest_step_back_ms: 0,
            hasher: Sha256::new(),
            earlier,
            met: false,
            findings: Vec::new(),
            finding_count: 0,
        }
    }

    fn find(&mut self, code: &'static str, number: Option<&str>, message: String) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_TOLD {
            self.findings.push(Finding { code, number: number.map(str::to_owned), message });
        }
    }

    pub fn push(&mut self, row: NumberedRow) {
        let number = row.number.as_str();
        if row.date.year() != self.year {
            let date = written(row.date);
            self.find("DATE", Some(number), format!("{number} is dated {date}, in another UTC year"));
        }
        let sequence = number.strip_prefix(&self.prefix).map(|digits| digits.parse().unwrap_or(0));
        let Some(sequence) = sequence else {
            // Found by its date; it counts in its own year's series.
            let year = self.year;
            self.find("NUMBER", Some(number), format!("{number} is dated in {year} but not numbered in it"));
            return;
        };
        self.follow(number, sequence);
        self.compare_with_order(&row);
        self.add_up(&row);
    }

    /// The sequence must be the one after the last.
    fn follow(&mut self, number: &str, sequence: i32) {
        let expected = self.sequence + 1;
        if sequence < 1 {
            self.find(
                "NUMBER",
                Some(number),
                format!("{number} is no number of a series: they begin with 1"),
            );
        } else if sequence == self.sequence {
            self.find("REPEAT", Some(number), format!("{number} is there more than once"));
        } else if sequence > expected {
            let first = self.number(expected);
            let message = if sequence == expected + 1 {
                format!("{first} is missing")
            } else {
                format!(
                    "{first} to {} are missing ({} numbers)",
                    self.number(sequence - 1),
                    sequence - expected
                )
            };
            self.find("GAP", Some(&first), message);
        }
        self.sequence = self.sequence.max(sequence);
    }

    fn number(&self, sequence: i32) -> String {
        format!("{}{sequence:06}", self.prefix)
    }

    fn compare_with_order(&mut self, row: &NumberedRow) {
        let number = row.number.as_str();
        let (Some(order), Some(order_status)) = (&row.order_number, &row.order_status) else {
            self.find("ORDER", Some(number), format!("{number} belongs to no order"));
            return;
        };
        let fits = match row.status.as_deref() {
            None => matches!(order_status.as_str(), "PAID" | "REFUNDED"),
            Some("OPEN") => order_status == "PENDING",
            Some("VOID") => matches!(order_status.as_str(), "FAILED" | "EXPIRED"),
            Some(status) => order_status == status,
        };
        if !fits {
            let what = row.status.as_deref().unwrap_or("a receipt");
            self.find(
                "ORDER",
                Some(number),
                format!("{number} is {what}, but its order {order} is {order_status}"),
            );
        }
        let of_order = (row.order_currency.as_deref(), row.order_total);
        if of_order != (Some(row.currency.as_str()), Some(row.total)) {
            self.find("AMOUNT", Some(number), format!("{number} has another amount than its order {order}"));
        } else if row.subtotal.is_some() && row.items_total != row.subtotal {
            self.find(
                "AMOUNT",
                Some(number),
                format!("{number} is not the sum of the items of order {order}"),
            );
        }
        let receipts_wanted = match row.status.as_deref() {
            None | Some("PAID" | "REFUNDED") => 1,
            Some(_) => 0,
        };
        if row.receipts != receipts_wanted {
            let (has, status) = (row.receipts, row.status.as_deref().unwrap_or("a receipt"));
            self.find("RECEIPT", Some(number), format!("{number} is {status} and has {has} receipts"));
        }
    }

    fn add_up(&mut self, row: &NumberedRow) {
        self.count += 1;
        if let Some((_, before)) = &self.last
            && row.date < *before
        {
            self.steps_back += 1;
            let step = (*before - row.date).num_milliseconds();
            self.longest_step_back_ms = self.longest_step_back_ms.max(step);
        }
        self.first.get_or_insert_with(|| (row.number.clone(), row.date));
        self.last = Some((row.number.clone(), row.date));
        add(&mut self.totals, row);
        if let Some(status) = &row.status {
            let (count, totals) = self.by_status.entry(status.clone()).or_default();
            *count += 1;
            add(totals, row);
            if status == "VOID" {
                self.void.push(VoidInvoice {
                    number: row.number.clone(),
                    date: row.date,
                    currency: row.currency.clone(),
                    total: row.total,
                    order_number: row.order_number.clone(),
                    order_status: row.order_status.clone(),
                });
            }
        }
        let line = format!("{}\t{}\t{}\t{}\n", row.number, written(row.date), row.currency, row.total);
        self.hasher.update(line.as_bytes());
        self.meet_checkpoint(&row.number);
    }

    /// Up to where the earlier report went, nothing may have changed since.
    fn meet_checkpoint(&mut self, number: &str) {
        let Some(earlier) = self.earlier.clone().filter(|earlier| earlier.last_number == number) else {
            return;
        };
        self.met = true;
        let now = hex(&self.hasher.clone().finalize());
        if now != earlier.sha256 {
            let message = format!(
                "up to {number} the numbers, dates or amounts are not those of the earlier report: its sha256 is {}, \
                 now it is {now}",
                earlier.sha256
            );
            self.find("CHANGED", Some(number), message);
        }
    }

    /// `last_value` is the counter's; none where there is no counter.
    pub fn finish(mut self, last_value: Option<i32>) -> SeriesReport {
        self.compare_with_counter(last_value);
        if let Some(earlier) = self.earlier.clone().filter(|_| !self.met) {
            let number = earlier.last_number;
            self.find(
                "CHANGED",
                Some(&number),
                format!("{number}, the earlier report's last number, is not there"),
            );
        }
        let (first_number, first_date) = self.first.unzip();
        let (last_number, last_date) = self.last.unzip();
        SeriesReport {
            kind: self.kind.as_str(),
            ok: self.finding_count == 0,
            count: self.count,
            first_number,
            first_date,
            last_number,
            last_date,
            counter: CounterState {
                last_value,
                highest_number: (self.sequence > 0).then_some(self.sequence),
            },
            by_status: self
                .by_status
                .into_iter()
                .map(|(status, (count, totals))| StatusTotal { status, count, totals: amounts(totals) })
                .collect(),
            totals: amounts(self.totals),
            void: self.void,
            dated_before_predecessor: self.steps_back,
            longest_step_back_ms: self.longest_step_back_ms,
            sha256: hex(&self.hasher.finalize()),
            findings: self.findings,
            finding_count: self.finding_count,
        }
    }

    fn compare_with_counter(&mut self, last_value: Option<i32>) {
        let highest = self.sequence;
        match last_value {
            None if highest > 0 => {
                let message =
                    format!("there are {highest} numbers but no counter: the next would be a repeat");
                self.find("COUNTER", None, message);
            }
            Some(last) if last < highest => {
                let message = format!(
                    "the counter is at {last}, below the highest number {highest}: repeats would follow"
                );
                self.find("COUNTER", None, message);
            }
            Some(last) if last > highest => {
                let (from, to) = (self.number(highest + 1), self.number(last));
                let which = if last == highest + 1 { from.clone() } else { format!("{from} to {to}") };
                let message = format!("the counter is at {last}, but {which} cannot be found");
                self.find("GAP", Some(&from), message);
            }
            _ => {}
        }
    }
}

fn add(totals: &mut Totals, row: &NumberedRow) {
    let (total, count) = totals.entry(row.currency.clone()).or_default();
    *total += i128::from(row.total);
    *count += 1;
}

fn amounts(totals: Totals) -> Vec<Amount> {
    totals.into_iter().map(|(currency, (total, count))| Amount { currency, total, count }).collect()
}

fn written(date: DateTime<Utc>) -> String {
    date.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests;
