//! Waiting for a connection: as long as PostgreSQL is there, and no longer.

use std::time::{Duration, Instant};

use primetech_actors::database::Database;
use primetech_actors::fault::Fault;
use sqlx::{Connection as _, Executor as _};

use super::postgres::{folder, start};

/// What the pool alone would wait.
const POOLS_OWN_LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_busy_database_is_waited_for_and_one_that_is_away_is_not() {
    let folder = folder();
    let cluster = start(&folder).await;
    let url = cluster.url("postgres");
    let mut owner = sqlx::PgConnection::connect(&url).await.unwrap();
    owner.execute("CREATE ROLE primetech_app").await.unwrap();
    let database = Database::connect_lazy(&url.into(), 1).unwrap();

    // The only connection is taken for longer than it takes to look whether PostgreSQL is there.
    let taken = database.platform_tx().await.unwrap();
    let waiting = tokio::spawn({
        let database = database.clone();
        async move { database.check().await }
    });
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!waiting.is_finished(), "busy is not away");
    drop(taken);
    waiting.await.unwrap().unwrap();

    cluster.stop().await.unwrap();
    let begun = Instant::now();
    let calls = (0..20).map(|_| database.check());
    for told in futures_util::future::join_all(calls).await {
        assert!(matches!(told, Err(Fault::DatabaseUnavailable(_))), "{told:?}");
    }
    assert!(begun.elapsed() < POOLS_OWN_LIMIT, "they waited for the pool: {:?}", begun.elapsed());

    let cluster = start(&folder).await;
    let begun = Instant::now();
    while database.check().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is not found again");
    }
    cluster.stop().await.unwrap();
}
