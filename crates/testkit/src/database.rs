//! Databases: each test has one of its own, copied from a template that the first test of a run makes.

use std::hash::{DefaultHasher, Hash, Hasher};

use primetech_kernel::database::APPLICATION_ROLE;
use primetech_kernel::random;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

/// The product's schema.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// A database with the product's schema and what `seed` writes into it. Gives its URL.
///
/// # Panics
///
/// Without `TEST_DATABASE_URL`, which `scripts/test` sets.
pub async fn new(seed: &str) -> String {
    let server =
        std::env::var("TEST_DATABASE_URL").expect("run by scripts/test, which sets TEST_DATABASE_URL");
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let template = template(&server, &mut connection, seed).await;
    let name = format!("test_{}", random::opaque_id().simple());
    let copy = format!("CREATE DATABASE {name} TEMPLATE {template}");
    sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    of_server(&server, &name)
}

/// The name of the template. Each test is a process of its own, so PostgreSQL keeps the others waiting while one makes
/// it.
async fn template(server: &str, connection: &mut PgConnection, seed: &str) -> String {
    // Of this schema and this seed: a server may outlive them.
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    MIGRATIONS.iter().for_each(|migration| migration.checksum.hash(&mut hasher));
    let name = format!("test_template_{:x}", hasher.finish());
    let making = format!("{name}_making");
    sqlx::raw_sql("SELECT pg_advisory_lock(20260101)").execute(&mut *connection).await.unwrap();
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    if !is_there {
        let anew = format!("DROP DATABASE IF EXISTS {making}");
        sqlx::raw_sql(AssertSqlSafe(anew)).execute(&mut *connection).await.unwrap();
        let create = format!("CREATE DATABASE {making}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection).await.unwrap();
        let mut making_it = PgConnection::connect(&of_server(server, &making)).await.unwrap();
        MIGRATIONS.run(&mut making_it).await.unwrap();
        // As the program's `migrate` does: the application has to see which version it works on.
        let grant = format!("GRANT SELECT ON {} TO {APPLICATION_ROLE}", MIGRATIONS.table_name);
        sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut making_it).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(seed.to_owned())).execute(&mut making_it).await.unwrap();
        making_it.close().await.unwrap();
        // Only what is whole bears the template's name.
        let rename = format!("ALTER DATABASE {making} RENAME TO {name}");
        sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut *connection).await.unwrap();
    }
    sqlx::raw_sql("SELECT pg_advisory_unlock(20260101)").execute(&mut *connection).await.unwrap();
    name
}

/// The URL of another database of the server.
fn of_server(server: &str, database: &str) -> String {
    let mut url = Url::parse(server).unwrap();
    url.set_path(database);
    url.into()
}
