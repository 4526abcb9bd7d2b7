//! What the schema itself guarantees, read back from PostgreSQL's catalogue.

use sqlx::{Connection, PgConnection};

use crate::harness::{DEMO, Shop};

/// Tables that route what names no tenant yet: keyed by hosts and by the provider's ids.
const PLATFORM_TABLES: [&str; 3] = ["tenant_domains", "webhook_events", "payment_refs"];

#[tokio::test(flavor = "multi_thread")]
async fn every_table_but_the_tenants_own_is_behind_forced_row_level_security() {
    let shop = Shop::open().await;
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
         AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(open, ["_sqlx_migrations", "tenants"]);
    let without_tenant: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
         AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') ORDER BY 1",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    // What was asked of the provider is one row for all tenants together, and holds nothing of any. What a recipient was
    // mailed is counted for all tenants together, by a hash of the address.
    assert_eq!(without_tenant, ["_sqlx_migrations", "mail_allowances", "provider_event_sweeps", "tenants"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tenant_leads_every_key_and_foreign_key_of_a_tenants_table() {
    let shop = Shop::open().await;
    let keys: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.relname::text, i.relname::text, a.attname::text
         FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
         WHERE t.relnamespace = 'public'::regnamespace AND x.indisunique",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    let foreign: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.relname::text, c.conname::text, a.attname::text
         FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
         WHERE c.contype = 'f' AND t.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert!(keys.len() > 40 && foreign.len() > 20);
    for (table, key, first) in keys.into_iter().chain(foreign) {
        let is_platform = PLATFORM_TABLES.contains(&table.as_str())
            || ["tenants", "_sqlx_migrations", "provider_event_sweeps", "mail_allowances"]
                .contains(&table.as_str());
        assert!(is_platform || first == "tenant_id", "{table}.{key} begins with {first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_s_role_sees_nothing_without_a_tenant_and_only_its_own_with_one() {
    let shop = Shop::open().await;
    shop.register(DEMO).await;
    shop.register(crate::harness::ACME).await;
    let mut connection = PgConnection::connect(&shop.database_url).await.unwrap();
    sqlx::raw_sql("SET ROLE primetech_app").execute(&mut connection).await.unwrap();
    let bypasses: bool =
        sqlx::query_scalar("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(!bypasses);
    let users = "SELECT count(*) FROM users";
    let none: i64 = sqlx::query_scalar(users).fetch_one(&mut connection).await.unwrap();
    sqlx::raw_sql("SET app.tenant_ids = '00000000-0000-7000-8000-000000000001'")
        .execute(&mut connection)
        .await
        .unwrap();
    let own: i64 = sqlx::query_scalar(users).fetch_one(&mut connection).await.unwrap();
    assert_eq!((none, own), (0, 1));
    let foreign = sqlx::raw_sql(
        "INSERT INTO counters (tenant_id, kind, period, last_value) VALUES ('00000000-0000-7000-8000-000000000002', 'INV', 2026, 1)",
    );
    let refused = foreign.execute(&mut connection).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("42501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_active_activation_cannot_be_written_by_anyone() {
    let shop = Shop::open().await;
    let buyer = shop.register(DEMO).await;
    shop.buy_licence(&buyer).await;
    let insert = "INSERT INTO activations (tenant_id, id, licence_id, fingerprint, activated_at)
                  SELECT tenant_id, gen_random_uuid(), id, 'device-one', now() FROM licences";
    shop.execute(insert).await;
    let refused = sqlx::raw_sql(insert).execute(&shop.pool).await.unwrap_err();
    assert_eq!(
        refused.as_database_error().and_then(|error| error.constraint()),
        Some("activations_one_active")
    );
}
