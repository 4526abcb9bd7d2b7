//! Checks that a tenant's audit log is unchanged. Reads one snapshot and writes nothing. The operator's `audit
//! verify` calls it.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::Serialize;
use uuid::Uuid;

use super::entry::{Stored, first_hash, link};
use crate::database::Database;
use crate::database::tx::TenantTx;
use crate::fault::Fault;
use crate::tenancy::TenantScope;

/// Findings that are told one by one; the rest are counted.
const FINDINGS_TOLD: usize = 100;

/// A link of the chain that someone keeps elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    pub position: i64,
    /// Hexadecimal.
    pub hash: String,
}

impl Head {
    /// `<position>:<hash>`, as a report tells it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FLAW: &str = "must be <position>:<hash>, as an earlier report told it";
        let (position, hash) = text.split_once(':').ok_or(FLAW)?;
        let position = position.parse().ok().filter(|position| *position > 0).ok_or(FLAW)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash { Ok(Self { position, hash: hash.to_ascii_lowercase() }) } else { Err(FLAW) }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `CHANGED`, `REMOVED`, `INSERTED`, `CHAIN_BROKEN` or `HEAD_DIFFERS`.
    pub code: &'static str,
    pub position: Option<i64>,
    pub entry_id: Option<Uuid>,
    pub message: String,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    pub ok: bool,
    /// Links of the chain.
    pub sealed: u64,
    /// Entries that are in no chain yet: a serving process adds them within seconds.
    pub waiting: u64,
    /// The last link. Stored elsewhere, it proves later that nothing before it was cut off.
    pub head: Option<Head>,
    pub finding_count: u64,
    pub findings: Vec<Finding>,
}

impl LogReport {
    fn find(&mut self, code: &'static str, position: Option<i64>, entry_id: Option<Uuid>, message: &str) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_TOLD {
            self.findings.push(Finding { code, position, entry_id, message: message.to_owned() });
        }
    }
}

/// Checks all of a tenant's log. `earlier` is a link that must still be there.
pub async fn run(
    database: &Database,
    scope: &TenantScope,
    earlier: Option<&Head>,
) -> Result<LogReport, Fault> {
    database
        .read_snapshot(scope, async |tx| {
            // An audit has more time than a request.
            sqlx::raw_sql("SET LOCAL statement_timeout = '15min'").execute(tx.connection()).await?;
            let mut report = LogReport::default();
            walk(tx, earlier, &mut report).await?;
            find_strays(tx, &mut report).await?;
            if let Some(earlier) = earlier
                && report.head.as_ref().is_none_or(|head| head.position < earlier.position)
            {
                report.find(
                    "HEAD_DIFFERS",
                    Some(earlier.position),
                    None,
                    "the chain ends before the link that was kept",
                );
            }
            report.ok = report.finding_count == 0;
            Ok(report)
        })
        .await
}

#[derive(sqlx::FromRow)]
struct Link {
    position: i64,
    entry_id: Uuid,
    link_hash: Vec<u8>,
    at: Option<DateTime<Utc>>,
    actor: Option<String>,
    request_id: Option<String>,
    action: Option<String>,
    subject: Option<String>,
    before: Option<String>,
    after: Option<String>,
    hash: Option<Vec<u8>>,
}

/// Follows the chain from its beginning.
async fn walk(tx: &mut TenantTx, earlier: Option<&Head>, report: &mut LogReport) -> sqlx::Result<()> {
    let tenant_id = tx.tenant_id();
    let mut previous = first_hash(tenant_id).to_vec();
    let mut expected = 1;
    let mut links = sqlx::query_as::<_, Link>(
        "SELECT c.position, c.entry_id, c.hash AS link_hash, l.at, l.actor, l.request_id, l.action, l.subject,
                l.before::text AS before, l.after::text AS after, l.hash
         FROM audit_chain c LEFT JOIN audit_log l ON l.tenant_id = c.tenant_id AND l.id = c.entry_id
         WHERE c.tenant_id = $1 ORDER BY c.position",
    )
    .bind(tenant_id)
    .fetch(tx.connection());
    while let Some(row) = links.try_next().await? {
        let (position, entry) = (Some(row.position), Some(row.entry_id));
        report.sealed += 1;
        if row.position != expected {
            report.find(
                "REMOVED",
                Some(expected),
                None,
                "links of the chain are missing before the next one",
            );
            // What came before it is unknown, so that its own hash cannot be checked.
        } else {
            match row.entry_hash(tenant_id) {
                None => report.find("REMOVED", position, entry, "the entry is gone"),
                Some((computed, stored)) => {
                    if computed.as_slice() != stored {
                        report.find("CHANGED", position, entry, "the entry is not what its hash was made of");
                    } else if link(&previous, row.position, &computed).as_slice() != row.link_hash {
                        report.find(
                            "CHAIN_BROKEN",
                            position,
                            entry,
                            "the entry, or its link, is not what was sealed",
                        );
                    }
                }
            }
        }
        let hash = hexadecimal(&row.link_hash);
        if earlier.is_some_and(|earlier| earlier.position == row.position && earlier.hash != hash) {
            report.find("HEAD_DIFFERS", position, entry, "the link is not the one that was kept");
        }
        expected = row.position + 1;
        report.head = Some(Head { position: row.position, hash });
        previous = row.link_hash;
    }
    Ok(())
}

impl Link {
    /// The hash of what the entry says now, and the one that it was stored with. None: there is no such entry.
    fn entry_hash(&self, tenant_id: Uuid) -> Option<([u8; 32], &[u8])> {
        let stored = Stored {
            tenant_id,
            id: self.entry_id,
            at: self.at?,
            actor: self.actor.as_deref()?,
            request_id: self.request_id.as_deref(),
            action: self.action.as_deref()?,
            subject: self.subject.as_deref(),
            before: self.before.as_deref(),
            after: self.after.as_deref(),
        };
        Some((stored.hash(), self.hash.as_deref()?))
    }
}

/// Entries that no chain knows of and none waits for, and what waits without an entry.
async fn find_strays(tx: &mut TenantTx, report: &mut LogReport) -> sqlx::Result<()> {
    let tenant_id = tx.tenant_id();
    let strays: Vec<(Uuid,)> = sqlx::query_as(
        "SELECT l.id FROM audit_log l
         LEFT JOIN audit_chain c ON c.tenant_id = l.tenant_id AND c.entry_id = l.id
         LEFT JOIN audit_unsealed u ON u.tenant_id = l.tenant_id AND u.entry_id = l.id
         WHERE l.tenant_id = $1 AND c.entry_id IS NULL AND u.entry_id IS NULL ORDER BY l.id",
    )
    .bind(tenant_id)
    .fetch_all(tx.connection())
    .await?;
    for (id,) in strays {
        report.find("INSERTED", None, Some(id), "the entry is in no chain, and waits for none");
    }
    let waiting = sqlx::query_as::<_, Link>(
        "SELECT 0::bigint AS position, u.entry_id, ''::bytea AS link_hash, l.at, l.actor, l.request_id, l.action,
                l.subject, l.before::text AS before, l.after::text AS after, l.hash
         FROM audit_unsealed u LEFT JOIN audit_log l ON l.tenant_id = u.tenant_id AND l.id = u.entry_id
         WHERE u.tenant_id = $1 ORDER BY u.entry_id",
    )
    .bind(tenant_id)
    .fetch_all(tx.connection())
    .await?;
    for row in waiting {
        report.waiting += 1;
        match row.entry_hash(tenant_id) {
            None => {
                report.find("REMOVED", None, Some(row.entry_id), "the entry was never sealed, and is gone")
            }
            Some((computed, stored)) if computed.as_slice() != stored => {
                report.find(
                    "CHANGED",
                    None,
                    Some(row.entry_id),
                    "the entry is not what its hash was made of",
                );
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
