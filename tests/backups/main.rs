//! Backups, by the shipped scripts: made while customers buy, brought back on a server that has never seen them, and
//! then every promise is held to what is there.
//!
//! `BACKUP_ORDERS` says how many paid orders the shop has before (2 000); what making and bringing back took is printed.
#![cfg(feature = "dev")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The scripts are for servers, which run Linux.
#![cfg(target_os = "linux")]

mod customers;
mod server;

use std::time::{Duration, Instant};

use primetech::dev::stripe::{StandInConfig, StripeStandIn};
use serde_json::Value;

use crate::customers::{Customers, Purchase};
use crate::server::{STRIPE_KEY, Server, WEBHOOK_SECRET};

/// Purchases that are answered before the backup begins: all of them must be in it.
const BEFORE: usize = 8;

/// What must not be found, and the question that finds it.
const NEVER: &[(&str, &str)] = &[
    ("orders without an invoice",
     "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM invoices i WHERE i.tenant_id = o.tenant_id AND i.order_id = o.id)"),
    ("orders without a payment",
     "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT 1 FROM payments p WHERE p.tenant_id = o.tenant_id AND p.order_id = o.id)"),
    ("statuses that differ",
     "SELECT count(*) FROM orders o JOIN payments p USING (tenant_id) JOIN invoices i USING (tenant_id)
      WHERE p.order_id = o.id AND i.order_id = o.id
        AND (p.status <> o.status OR i.status <> CASE o.status WHEN 'PENDING' THEN 'OPEN' ELSE o.status END)"),
    ("paid orders and receipts that do not go together",
     "SELECT count(*) FROM orders o FULL JOIN receipts r ON r.tenant_id = o.tenant_id AND r.order_id = o.id
      WHERE (o.status = 'PAID') IS DISTINCT FROM (r.id IS NOT NULL)"),
    ("paid orders without their licence",
     "SELECT count(*) FROM orders o WHERE status = 'PAID'
        AND (SELECT count(*) FROM licences l WHERE l.tenant_id = o.tenant_id AND l.order_id = o.id) <> 1"),
    ("licences that are active twice",
     "SELECT count(*) FROM (SELECT 1 FROM activations WHERE deactivated_at IS NULL GROUP BY tenant_id, licence_id HAVING count(*) > 1) AS twice"),
    ("gaps in the invoices",
     "SELECT count(*) FROM counters c WHERE kind = 'INV' AND last_value <> (SELECT count(*) FROM invoices i WHERE i.tenant_id = c.tenant_id)"),
    ("gaps in the receipts",
     "SELECT count(*) FROM counters c WHERE kind = 'RCP' AND last_value <> (SELECT count(*) FROM receipts r WHERE r.tenant_id = c.tenant_id)"),
    ("tables of tenants that are open",
     "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"),
];

async fn nothing_is_broken(server: &Server) {
    for (what, sql) in NEVER {
        assert_eq!(server.count(sql).await, 0, "{what}");
    }
}

/// The end of the audit log's chain, once it has one: what is done is sealed a second later.
async fn sealed_head(server: &Server) -> String {
    let begun = Instant::now();
    loop {
        let verified = server.run(&["audit", "verify", "--tenant", "acme", "--json"]);
        if let Some(hash) = verified["head"]["hash"].as_str() {
            return format!("{}:{hash}", verified["head"]["position"]);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was sealed: {verified}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_is_whole_on_another_server_and_numbering_goes_on() {
    let orders: i64 = std::env::var("BACKUP_ORDERS").map_or(2_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let stand_in = StandInConfig::new(folder.path(), STRIPE_KEY.into(), WEBHOOK_SECRET.into());
    let stripe = StripeStandIn::start(stand_in).await.unwrap();
    let first = Server::with_a_shop(orders).await;
    let serving = first.serve(stripe.base_url());
    stripe.set_webhook_endpoint(&format!("http://{}/api/webhooks/stripe", serving.address)).unwrap();
    let customers = Customers::come(&serving, &stripe).await;
    customers.have_bought(BEFORE).await;

    let known: Vec<Purchase> = customers.purchases();
    let head = sealed_head(&first).await;
    let begun = Instant::now();
    let backup = first.script("backup", &["--label", "under-load"]);
    let backed_up = begun.elapsed();
    let while_it_was_made = customers.purchases().len() - known.len();
    customers.have_bought(known.len() + while_it_was_made + 3).await;
    let all = customers.leave().await;
    drop(serving);
    let size = first.count("SELECT pg_database_size(current_database())").await;
    nothing_is_broken(&first).await;
    assert!(while_it_was_made > 0, "nobody bought meanwhile: the backup was not made under load");

    let second = Server::empty().await;
    let begun = Instant::now();
    second.script("restore", &["--switch", backup.trim()]);
    let restored = begun.elapsed();
    eprintln!(
        "{orders} orders and more, {} MB: backed up in {backed_up:.1?} while {while_it_was_made} bought, restored and proved in {restored:.1?}",
        size / 1_000_000
    );

    nothing_is_broken(&second).await;
    for purchase in &known {
        assert!(second.has(purchase).await, "it was answered before the backup began: {purchase:?}");
    }
    let verified = second.run(&["audit", "verify", "--tenant", "acme", "--head", &head, "--json"]);
    assert_eq!(verified["ok"], true, "{verified}");
    let year = second.text("SELECT extract(year FROM now() AT TIME ZONE 'UTC')::text").await;
    let numbers = second.run(&["audit", "numbers", "--tenant", "acme", "--year", &year, "--json"]);
    assert_eq!(numbers["ok"], true, "{numbers}");

    // What was paid after the backup is at the provider: it is asked, and the rest of the orders that are there is paid.
    let serving = second.serve(stripe.base_url());
    stripe.set_webhook_endpoint(&format!("http://{}/api/webhooks/stripe", serving.address)).unwrap();
    let asked = second.run_with(&["reconcile", "--json"], stripe.base_url());
    let is_unfit =
        |one: &Value| ["MISMATCH", "UNAVAILABLE", "NOT_WRITTEN"].contains(&one["outcome"].as_str().unwrap());
    assert!(!asked.as_array().unwrap().iter().any(is_unfit), "{asked}");
    for purchase in &all {
        let number = &purchase.order;
        let lost = format!("SELECT count(*) FROM orders WHERE number = '{number}' AND status <> 'PAID'");
        assert_eq!(second.count(&lost).await, 0, "{purchase:?} is there, and was paid");
    }
    let last =
        async |table: &str| second.count(&format!("SELECT max(right(number, 6)::bigint) FROM {table}")).await;
    let (invoice, receipt) = (last("invoices").await, last("receipts").await);
    let customers = Customers::come(&serving, &stripe).await;
    customers.have_bought(3).await;
    let bought = customers.leave().await.len() as i64;
    assert_eq!((last("invoices").await, last("receipts").await), (invoice + bought, receipt + bought));
    nothing_is_broken(&second).await;
    second.until("all is sealed", "SELECT count(*) = 0 FROM audit_unsealed", Duration::from_secs(15)).await;
    let verified = second.run(&["audit", "verify", "--tenant", "acme", "--head", &head, "--json"]);
    assert_eq!((&verified["ok"], &verified["waiting"]), (&Value::from(true), &Value::from(0)), "{verified}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_changed_is_not_restored() {
    let first = Server::with_a_shop(20).await;
    let backup = first.script("backup", &["--label", "small"]);
    let dump = std::path::Path::new(backup.trim()).join("database.dump");
    let mut bytes = std::fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&dump, bytes).unwrap();
    let refused = first.try_script("restore", &[backup.trim()]);
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("damaged"), "{told}");
    assert_eq!(first.count("SELECT count(*) FROM pg_database WHERE datname LIKE 'primetech_%'").await, 0);
}
