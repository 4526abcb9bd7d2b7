//! How many mails strangers can cause one recipient to get.
//!
//! Anyone may type anyone's address into a form. So of the mails that follow from such a form, a recipient gets at most
//! [`MOST_OF_A_SORT`] of one sort and [`MOST_IN_ALL`] of all sorts together in any hour, from all tenants of the
//! installation. One too many is not written into the outbox; the request is answered as always.
//!
//! A mail is counted in the transaction that writes it, under a lock on its recipient, so that the bounds hold across
//! processes and a transaction that is rolled back counts nothing. Addresses are counted by a keyed hash.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use sqlx::PgConnection;
use uuid::Uuid;

use super::message::Sort;
use crate::random;

/// Mails of one sort that a recipient gets in an hour.
const MOST_OF_A_SORT: i64 = 3;

/// Mails of all sorts together.
const MOST_IN_ALL: i64 = 20;

/// Any span of this length is looked at.
pub(crate) const WINDOW: TimeDelta = TimeDelta::hours(1);

type Recipient = [u8; 32];

/// Decides whether a mail that a stranger caused is sent. Cheap to clone.
#[derive(Clone)]
pub struct MailAllowances(Option<Hmac<Sha256>>);

/// A mail that is about to be written.
#[derive(Debug, Clone, Copy)]
pub struct WantedMail<'a> {
    pub email: &'a str,
    pub sort: Sort,
    /// False: nobody will be mailed (there is no such account). It is looked at like any other, so that it takes as
    /// long, and not counted.
    pub leaves: bool,
}

impl MailAllowances {
    /// `secret` is the installation's, the same in all processes.
    pub fn new(secret: &SecretString) -> Self {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac =
            Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
        Self(Some(mac))
    }

    /// Every mail is sent.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Which of `wanted` may be sent, in their order. Those that may are counted. Locks the recipients until the
    /// transaction ends: to be called after all other rows are locked that another such transaction may wait for.
    pub async fn take(
        &self,
        connection: &mut PgConnection,
        now: DateTime<Utc>,
        wanted: &[WantedMail<'_>],
    ) -> sqlx::Result<Vec<bool>> {
        let Some(key) = &self.0 else { return Ok(vec![true; wanted.len()]) };
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let recipients: Vec<Recipient> = wanted.iter().map(|mail| hash(key, mail.email)).collect();
        lock(connection, &recipients.iter().copied().collect()).await?;
        let mut counted = count(connection, now, &recipients).await?;
        let mut allowed = Vec::with_capacity(wanted.len());
        let mut noted: Vec<(Recipient, &'static str)> = Vec::new();
        for (mail, recipient) in wanted.iter().zip(recipients) {
            let of_recipient = counted.entry(recipient).or_default();
            let of_sort = of_recipient.get(mail.sort.name).copied().unwrap_or(0);
            let fits = of_sort < MOST_OF_A_SORT && of_recipient.values().sum::<i64>() < MOST_IN_ALL;
            if fits && mail.leaves {
                of_recipient.insert(mail.sort.name.to_owned(), of_sort + 1);
                noted.push((recipient, mail.sort.name));
            }
            if !fits && mail.leaves {
                metrics::counter!("mails_held_back_total").increment(1);
            }
            allowed.push(fits);
        }
        note(connection, now, &noted).await?;
        Ok(allowed)
    }
}

fn hash(key: &Hmac<Sha256>, email: &str) -> Recipient {
    let mut mac = key.clone();
    mac.update(b"mail allowance\0");
    mac.update(email.to_lowercase().as_bytes());
    mac.finalize().into_bytes().into()
}

/// Lets only one transaction at a time count a recipient's mails, and opens the recipients' rows to this one.
async fn lock(connection: &mut PgConnection, recipients: &BTreeSet<Recipient>) -> sqlx::Result<()> {
    let names: Vec<String> = recipients
        .iter()
        .map(|recipient| recipient.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    // Sorted, so that two transactions with several recipients in common cannot wait for each other.
    let locks: BTreeSet<i64> = recipients
        .iter()
        .map(|recipient| i64::from_be_bytes(std::array::from_fn(|at| recipient[at])))
        .collect();
    sqlx::query(
        "SELECT set_config('app.mail_recipients', $1, true), pg_advisory_xact_lock(locks.lock)
         FROM unnest($2::bigint[]) AS locks (lock)",
    )
    .bind(names.join(","))
    .bind(locks.into_iter().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What each recipient was sent in the last hour, by sort.
async fn count(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    recipients: &[Recipient],
) -> sqlx::Result<HashMap<Recipient, BTreeMap<String, i64>>> {
    let rows: Vec<(Recipient, String, i64)> = sqlx::query_as(
        "SELECT recipient, sort, count(*) FROM mail_allowances
         WHERE recipient = ANY ($1) AND at > $2 GROUP BY recipient, sort",
    )
    .bind(recipients.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    .bind(now - WINDOW)
    .fetch_all(connection)
    .await?;
    let mut counted: HashMap<Recipient, BTreeMap<String, i64>> = HashMap::new();
    for (recipient, sort, mails) in rows {
        counted.entry(recipient).or_default().insert(sort, mails);
    }
    Ok(counted)
}

async fn note(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    mails: &[(Recipient, &'static str)],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO mail_allowances (id, recipient, sort, at)
         SELECT new.id, new.recipient, new.sort, $4
         FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS new (id, recipient, sort)",
    )
    .bind(mails.iter().map(|_| random::row_id(now)).collect::<Vec<Uuid>>())
    .bind(mails.iter().map(|(recipient, _)| recipient.as_slice()).collect::<Vec<_>>())
    .bind(mails.iter().map(|(_, sort)| *sort).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(secret: &str, email: &str) -> Recipient {
        let MailAllowances(key) = MailAllowances::new(&secret.into());
        key.map(|key| hash(&key, email)).unwrap_or_default()
    }

    #[test]
    fn a_recipient_is_its_folded_address_and_what_stands_after_a_plus() {
        assert_eq!(hashed("secret", "Jane@Example.com"), hashed("secret", "jane@example.com"));
        assert_ne!(hashed("secret", "jane+a@example.com"), hashed("secret", "jane@example.com"));
        assert_ne!(hashed("secret", "jane@example.com"), hashed("another", "jane@example.com"));
    }
}
