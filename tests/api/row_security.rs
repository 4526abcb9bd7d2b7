//! Row-level security alone keeps tenants apart: with every privilege granted, and with what the application says of
//! the tenant in its statements taken away or turned against it.
//!
//! Tables are found in the catalogue, so a new one is tried without a line here; one that [`furnish_every_table`]
//! leaves empty fails.

use primetech::compose::{codes, endpoints};
use primetech::routes::Expects;
use primetech_actors::database::Database;
use primetech_actors::database::lane::Lane;
use primetech_actors::tenancy::{TenantScope, registry};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::harness::{ACME, DEMO, Shop, Visitor, event, until};
use crate::isolation::{Known, call, furnish, rows_of};

const DEMO_ID: &str = "00000000-0000-7000-8000-000000000001";
const ACME_ID: &str = "00000000-0000-7000-8000-000000000002";

/// Read before any tenant is known: hosts are what tells tenants apart.
const READ_BY_ALL: &[&str] = &["tenant_domains"];
/// What the platform finds of every tenant.
const SEEN_BY_PLATFORM: &[&str] = &["outbox_messages", "payment_refs", "tenant_domains", "webhook_events"];

async fn tables(shop: &Shop) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
           AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
         ORDER BY 1",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap()
}

/// The demo shop with a row in each of its tables, and nothing running that would change them.
async fn furnish_every_table(shop: &mut Shop) {
    let (owner, _) = furnish(shop).await;
    let key = [("content-type", "application/json"), ("cookie", &*owner.cookie), ("idempotency-key", "kept")];
    let cart = json!({"items": [{"sku": "editor", "quantity": 1}]}).to_string();
    let start =
        async || shop.send(0, Method::POST, DEMO, "/api/checkout/start", &key, Some(cart.clone())).await;
    // A failure that the provider keeps: the second request makes another attempt.
    shop.stand_in("mode", &json!({"api": "error500", "count": 1})).await;
    start().await.expect(502);
    let started = start().await.expect(201).json();
    shop.deliver(0, &shop.paid_event(&started, "pi")).await.expect(200);
    let intent = format!("pi_{}", started["order"]["id"].as_str().unwrap());
    let dispute =
        json!({"id": "dp_1", "object": "dispute", "payment_intent": intent, "status": "needs_response"});
    shop.deliver(0, &event("charge.dispute.created", dispute)).await.expect(200);
    let refund = json!({"id": "ch_1", "payment_intent": intent, "refunded": false, "amount_refunded": 100});
    shop.deliver(0, &event("charge.refunded", refund)).await.expect(200);
    let forgotten = json!({"email": owner.email});
    shop.post(0, DEMO, "/api/auth/request-password-reset", &forgotten).await.expect(202);
    let invoice = started["invoice"]["number"].as_str().unwrap();
    shop.post_as(0, &owner, &format!("/api/invoices/{invoice}/pdf"), &json!({})).await.expect(200);
    let unsealed = "SELECT count(*) FROM audit_unsealed";
    until("the audit log is sealed", async || shop.count(unsealed).await == 0).await;
    shop.stop();
    shop.execute("INSERT INTO audit_unsealed SELECT tenant_id, entry_id FROM audit_chain").await;
}

async fn scope_of(database: &Database, slug: &str) -> TenantScope {
    registry::find(database, slug).await.unwrap().unwrap().scope()
}

async fn count(connection: &mut PgConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

/// Which of the tables show any row of the demo shop, to statements that do not say whose rows they want.
async fn showing(connection: &mut PgConnection, tables: &[String]) -> Vec<String> {
    let mut showing = Vec::new();
    for table in tables {
        let seen = format!("SELECT count(*) FROM {table} t WHERE to_jsonb(t) ->> 'tenant_id' = '{DEMO_ID}'");
        if count(connection, seen).await > 0 {
            showing.push(table.clone());
        }
    }
    showing
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_transaction_reads_and_changes_nothing_whatever_it_says_and_may() {
    let mut shop = Shop::open().await;
    furnish_every_table(&mut shop).await;
    // As though every grant had been forgotten to be narrow; and a tenant that has nothing itself.
    shop.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO primetech_app;
         INSERT INTO tenants (id, slug, name, created_at) VALUES (gen_random_uuid(), 'intruder', 'Intruder', now())",
    )
    .await;
    let tables = tables(&shop).await;
    assert!(tables.len() >= 24, "{tables:?}");
    let database = Database::connect_lazy(&shop.database_url.as_str().into(), 2).unwrap();
    let (demo, intruder) = (scope_of(&database, "demo").await, scope_of(&database, "intruder").await);
    let mut own = database.tenant_tx(&demo).await.unwrap();
    assert_eq!(showing(own.connection(), &tables).await, tables, "there is something to be seen in each");
    drop(own);
    let before = rows_of(&shop, "demo").await;
    for table in &tables {
        let mut tx = database.tenant_tx(&intruder).await.unwrap();
        let seen = format!("SELECT count(*) FROM {table}");
        let theirs = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{DEMO_ID}'");
        let seen = [count(tx.connection(), seen).await, count(tx.connection(), theirs).await];
        assert_eq!(seen != [0, 0], READ_BY_ALL.contains(&table.as_str()), "{table}: {seen:?}");
        for change in [
            format!("UPDATE {table} SET tenant_id = tenant_id"),
            format!("UPDATE {table} SET tenant_id = '{}'", intruder.tenant_id()),
            format!("UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = '{DEMO_ID}'"),
            format!("DELETE FROM {table}"),
            format!("DELETE FROM {table} WHERE tenant_id = '{DEMO_ID}'"),
            format!("WITH l AS (SELECT * FROM {table} WHERE false FOR UPDATE) DELETE FROM {table}"),
        ] {
            let changed = sqlx::query(AssertSqlSafe(change.clone())).execute(tx.connection()).await;
            assert_eq!(changed.unwrap().rows_affected(), 0, "{change}");
        }
        let row = format!("SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = '{DEMO_ID}' LIMIT 1");
        let row: Value = sqlx::query_scalar(AssertSqlSafe(row)).fetch_one(&shop.pool).await.unwrap();
        let columns = row.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ");
        let copy = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)"
        );
        let refused = sqlx::query(AssertSqlSafe(copy)).bind(&row).execute(tx.connection()).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert_eq!(refused.code().as_deref(), Some("42501"), "{table}: {refused}");
        assert!(refused.message().contains("row-level security"), "{table}: {refused}");
    }
    assert_eq!(rows_of(&shop, "demo").await, before, "the other tenant is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tenant_nothing_is_seen_and_the_platform_sees_what_it_routes() {
    let mut shop = Shop::open().await;
    furnish_every_table(&mut shop).await;
    shop.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO primetech_app").await;
    let tables = tables(&shop).await;
    let database = Database::connect_lazy(&shop.database_url.as_str().into(), 2).unwrap();
    let (acme, demo) = (scope_of(&database, "acme").await, scope_of(&database, "demo").await);
    let connection = Lane::of_thread(&database);
    for others in [vec![], vec![acme.tenant_id()]] {
        let mut batch = connection.begin(others).await.unwrap();
        assert_eq!(showing(batch.connection(), &tables).await, READ_BY_ALL);
        connection.roll_back(batch).await;
        // Nor does the connection that is kept see more for what it saw before.
        connection.roll_back(connection.begin(vec![demo.tenant_id()]).await.unwrap()).await;
    }
    let mut platform = database.platform_tx().await.unwrap();
    assert_eq!(showing(platform.connection(), &tables).await, SEEN_BY_PLATFORM);
    // A connection that a transaction was left on sees no more for it.
    drop(platform);
    let mut after = database.tenant_tx(&acme).await.unwrap();
    assert_eq!(showing(after.connection(), &tables).await, READ_BY_ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_around_row_level_security() {
    let shop = Shop::open().await;
    // Views and functions of the owner's run with the owner's eyes; TRUNCATE asks no policy, and a reference or a
    // trigger of the application's own could tell what is there.
    let around: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm', 'f')
         UNION ALL
         SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
         UNION ALL
         SELECT relname || ' ' || privilege FROM pg_class, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) privilege
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
           AND has_table_privilege('primetech_app', pg_class.oid, privilege)
         UNION ALL
         SELECT 'CREATE on the schema' WHERE has_schema_privilege('primetech_app', 'public', 'CREATE')
            AND current_setting('server_version_num')::integer >= 150000",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(around, [""; 0]);
    let open: Vec<(String, String)> = sqlx::query_as(
        "SELECT tablename::text, policyname::text FROM pg_policies
         WHERE schemaname = 'public' AND policyname NOT LIKE 'platform\\_%'
           AND NOT (qual LIKE '%app_tenants()%' AND (cmd = 'SELECT' OR with_check LIKE '%app_tenants()%'))",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(open, []);
}

/// A customer and an administrator of a host, known to every cache.
async fn visitors(shop: &Shop, host: &'static str) -> [Visitor; 2] {
    let visitors = [shop.register(host).await, shop.register(host).await];
    shop.make_admin(&visitors[1]).await;
    for visitor in &visitors {
        shop.get_as(visitor, "/api/auth/me").await.expect(200);
    }
    visitors
}

async fn settle(shop: &Shop) {
    let settled = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'";
    until("all mails are sent", async || shop.count(settled).await == 0).await;
    let unsealed = "SELECT count(*) FROM audit_unsealed";
    until("the audit log is sealed", async || shop.count(unsealed).await == 0).await;
}

/// The endpoints, as `Method path`, that tell ids which the demo shop has from ids that nobody has, or show any of its
/// things: asked at `host` by each of `visitors`.
async fn telling(
    shop: &Shop,
    known: &Known,
    host: &str,
    visitors: &[&Visitor],
    only_reads: bool,
) -> Vec<String> {
    let document = primetech::openapi::document(&endpoints(), &codes());
    let mut telling = Vec::new();
    for endpoint in endpoints().iter().filter(|endpoint| endpoint.expects == Expects::TenantAndJson) {
        let reads = endpoint.method == "GET" || endpoint.path == "/api/licences/validate";
        // `me` tells of the session, which is known already; signing out would end it.
        if (only_reads && !reads) || ["/api/auth/me", "/api/auth/logout"].contains(&endpoint.path) {
            continue;
        }
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        let example = operation["requestBody"]["content"]["application/json"].get("example");
        let mut tells = false;
        for visitor in visitors {
            let ask = async |theirs: bool| {
                let body = example.map(|example| known.fill(example, theirs));
                let path = known.path(endpoint, operation, theirs);
                call(shop, endpoint, host, Some(visitor), &path, body.as_ref()).await
            };
            let (theirs, nobodys) = (ask(true).await, ask(false).await);
            tells |= known.leveled(&theirs) != known.leveled(&nobodys);
            tells |= known.0.values().any(|(other, _)| nobodys.text.contains(other.as_str()));
        }
        if tells {
            telling.push(format!("{} {}", endpoint.method, endpoint.path));
        }
    }
    telling
}

/// Every statement names the tenant whose host was asked, and finds itself in the transaction of another one.
#[tokio::test(flavor = "multi_thread")]
async fn inside_another_tenants_transaction_no_endpoint_finds_or_changes_what_it_names() {
    let shop = Shop::open().await;
    let (owner, known) = furnish(&shop).await;
    let [_, admin] = visitors(&shop, DEMO).await;
    visitors(&shop, ACME).await;
    settle(&shop).await;
    let asking = [&owner, &admin];
    let usually = telling(&shop, &known, DEMO, &asking, true).await;
    assert!(usually.len() >= 8, "the owner is told of what is there: {usually:?}");
    settle(&shop).await;
    let before = (rows_of(&shop, "demo").await, rows_of(&shop, "acme").await);
    shop.execute(&format!(
        "CREATE OR REPLACE FUNCTION app_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
             SELECT array_replace(string_to_array(nullif(current_setting('app.tenant_ids', true), ''), ',')::uuid[],
                                  '{DEMO_ID}'::uuid, '{ACME_ID}'::uuid) $$"
    ))
    .await;
    let inside = telling(&shop, &known, DEMO, &asking, false).await;
    assert_eq!(inside, [""; 0]);
    let after = (rows_of(&shop, "demo").await, rows_of(&shop, "acme").await);
    assert_eq!(after, before, "neither is changed");
}

/// Puts a view in front of every tenant's table, which shows each row as one of whichever tenant asks: every
/// `tenant_id = …` of every statement then holds for every row, as though it had been left out.
async fn leave_the_tenant_out_of_every_condition(shop: &Shop) {
    let mut sql = "GRANT CREATE ON SCHEMA public TO primetech_app;".to_owned();
    for table in tables(shop).await.iter().filter(|table| !READ_BY_ALL.contains(&table.as_str())) {
        let columns: Vec<String> = sqlx::query_scalar(
            "SELECT column_name::text FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = $1 AND column_name <> 'tenant_id' ORDER BY ordinal_position",
        )
        .bind(table)
        .fetch_all(&shop.pool)
        .await
        .unwrap();
        let columns = columns.join(", ");
        sql += &format!(
            "ALTER TABLE {table} RENAME TO {table}_behind;
             CREATE VIEW {table} AS SELECT (app_tenants())[1] AS tenant_id, {columns} FROM {table}_behind;
             ALTER VIEW {table} OWNER TO primetech_app;"
        );
    }
    shop.execute(&format!("BEGIN; {sql} COMMIT")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_tenant_left_out_of_every_condition_no_endpoint_shows_another_tenants_things() {
    let shop = Shop::open().await;
    let (_, known) = furnish(&shop).await;
    let [customer, admin] = visitors(&shop, ACME).await;
    settle(&shop).await;
    let asking = [&customer, &admin];
    leave_the_tenant_out_of_every_condition(&shop).await;
    shop.get_as(&admin, "/api/orders").await.expect(200);
    assert_eq!(telling(&shop, &known, ACME, &asking, true).await, [""; 0]);
    // The proof that the conditions are out: without row-level security, all is told.
    let protected = tables(&shop).await.into_iter().filter(|table| table.ends_with("_behind"));
    let open: String =
        protected.map(|table| format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;")).collect();
    shop.execute(&open).await;
    let open = telling(&shop, &known, ACME, &asking, true).await;
    assert!(open.len() >= 8, "{open:?}");
}
