//! The schema can be distributed over several PostgreSQL servers by `tenant_id`: it keeps Citus' rules, but for the
//! exceptions that `_spec/scaling.md` explains. Those are named here, so that none is added unseen.

use std::collections::BTreeSet;

use crate::harness::Shop;

/// Tables that every server has a whole copy of: small, or found by ids that name no tenant. What is told of them in
/// `_spec/scaling.md` holds of these and no others.
const REFERENCE: [&str; 6] = [
    "tenants",
    "tenant_domains",
    "webhook_events",
    "payment_refs",
    "provider_event_sweeps",
    "mail_allowances",
];

/// The migrations' own list stays on the coordinator.
const LOCAL: [&str; 1] = ["_sqlx_migrations"];

/// Triggers on distributed tables, which run on the servers that hold the rows and need `citus.enable_unsafe_triggers`:
/// they announce changes of cached rows, keep the audit log append-only, and copy the seller to an invoice that an earlier
/// program writes. Only the last one reads another table: `tenants`, of which every server has a copy.
const TRIGGERS: [&str; 9] = [
    "audit_chain_append_only",
    "audit_chain_not_emptied",
    "audit_log_append_only",
    "audit_log_not_emptied",
    "invoices_complete_seller",
    "sessions_notify_deleted",
    "sessions_notify_revoked",
    "users_notify",
    // On a reference table, and so on all servers.
    "tenant_domains_notify",
];

fn is_distributed(table: &str) -> bool {
    !REFERENCE.contains(&table) && !LOCAL.contains(&table)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenants_row_names_its_tenant() {
    let shop = Shop::open().await;
    let tables: Vec<(String, Option<bool>, Option<String>)> = sqlx::query_as(
        "SELECT c.relname::text, a.attnotnull, format_type(a.atttypid, a.atttypmod)
         FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let names: BTreeSet<&str> = tables.iter().map(|(table, ..)| table.as_str()).collect();
    for exception in REFERENCE.iter().chain(&LOCAL) {
        assert!(names.contains(exception), "{exception} is no table any more");
    }
    let distributed: Vec<_> = tables.iter().filter(|(table, ..)| is_distributed(table)).collect();
    assert!(distributed.len() > 20, "{}", distributed.len());
    for (table, not_null, kind) in distributed {
        assert_eq!((*not_null, kind.as_deref()), (Some(true), Some("uuid")), "{table}");
    }
    let explained =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/_spec/scaling.md")).unwrap();
    for table in REFERENCE {
        assert!(
            explained.contains(&format!("| `{table}` |")),
            "_spec/scaling.md says why {table} is not distributed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_key_of_a_distributed_table_has_the_tenant_in_it() {
    let shop = Shop::open().await;
    let keys: Vec<(String, String, Vec<String>)> = sqlx::query_as(
        "SELECT t.relname::text, i.relname::text,
                array_agg(a.attname::text) FILTER (WHERE a.attname IS NOT NULL)
         FROM pg_index x
         JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
         CROSS JOIN LATERAL unnest(x.indkey::int2[]) AS key (number)
         LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = key.number
         WHERE t.relnamespace = 'public'::regnamespace AND (x.indisunique OR x.indisexclusion)
         GROUP BY 1, 2",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let of_distributed: Vec<_> = keys.iter().filter(|(table, ..)| is_distributed(table)).collect();
    assert!(of_distributed.len() > 30, "{}", of_distributed.len());
    for (table, key, columns) in of_distributed {
        assert!(columns.iter().any(|column| column == "tenant_id"), "{table}.{key} is {columns:?}");
    }
    // An exclusion constraint holds on one server only where the tenant is compared for equality.
    let exclusions: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint
         WHERE contype = 'x' AND connamespace = 'public'::regnamespace
           AND pg_get_constraintdef(oid) NOT LIKE '%tenant_id WITH =%'",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(exclusions, [""; 0]);
    let without_key: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class c WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
         AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(without_key, [""; 0], "rows are moved between servers by their primary keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_foreign_key_leads_to_another_server() {
    let shop = Shop::open().await;
    // Column by column: what refers to what.
    let columns: Vec<(String, String, String, String, String)> = sqlx::query_as(
        "SELECT c.conname::text, c.conrelid::regclass::text, c.confrelid::regclass::text, own.attname::text, other.attname::text
         FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS pair (own, other)
         JOIN pg_attribute own ON own.attrelid = c.conrelid AND own.attnum = pair.own
         JOIN pg_attribute other ON other.attrelid = c.confrelid AND other.attnum = pair.other
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let mut between_tenants_tables = BTreeSet::new();
    let mut by_tenant = BTreeSet::new();
    for (name, from, to, own, other) in columns {
        let key = (from.clone(), name);
        match (is_distributed(&from), is_distributed(&to)) {
            (true, true) => {
                if own == "tenant_id" && other == "tenant_id" {
                    by_tenant.insert(key.clone());
                }
                between_tenants_tables.insert(key);
            }
            // Every server has the whole of what it refers to.
            (_, false) => {}
            (false, true) => {
                panic!("{key:?} leads from a table that all servers have to {to}, which is spread")
            }
        }
    }
    assert!(between_tenants_tables.len() > 15, "{}", between_tenants_tables.len());
    assert_eq!(between_tenants_tables, by_tenant, "each has the tenant on both sides");
    // A row may not change its server: no action of a foreign key writes the tenant.
    let actions: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
         AND (confupdtype IN ('c', 'n', 'd') OR confdeltype IN ('n', 'd'))",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(actions, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_stands_in_the_way() {
    let shop = Shop::open().await;
    let triggers: Vec<(String, String)> = sqlx::query_as(
        "SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace AND tgrelid::regclass::text <> 'tenants'",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let found: BTreeSet<&str> = triggers.iter().map(|(_, trigger)| trigger.as_str()).collect();
    assert_eq!(found, TRIGGERS.into_iter().collect());
    // Identity columns, sequences, rules, inheritance, and generated tenants would each stop a table being spread.
    let obstacles: Vec<String> = sqlx::query_scalar(
        "SELECT 'sequence ' || relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
         UNION ALL
         SELECT 'rule ' || rulename FROM pg_rules WHERE schemaname = 'public'
         UNION ALL
         SELECT 'inheritance of ' || inhrelid::regclass FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
             WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
         UNION ALL
         SELECT 'generated ' || attrelid::regclass FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
             WHERE attname = 'tenant_id' AND attgenerated <> '' AND c.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    // A sequence of bigint, which each server gets a range of: `_spec/scaling.md` says what that means for the order of mails.
    assert_eq!(obstacles, ["sequence outbox_messages_sequence"]);
}
