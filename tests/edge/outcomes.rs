//! What a client that was left without an answer can find out.

use std::time::{Duration, Instant};

use primetech::limits::Limits;
use sqlx::{Connection, PgConnection};

use crate::harness::{execute, limits, migrated_database, runtime, start_with};

const PRODUCT: &str = "
    INSERT INTO products (tenant_id, id, sku, kind, name, unit_amount, currency, created_at, updated_at)
    VALUES ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 'slow-call', 'SERVICE', 'Call', 100, 'USD', now(), now())";

#[test]
fn after_an_unknown_outcome_the_same_request_with_its_key_tells() {
    let app = start_with(Limits { request: Duration::from_millis(400), ..limits() }, &[]);
    let database = migrated_database();
    runtime().block_on(execute(&database, PRODUCT));
    let book = || {
        let body = r#"{"serviceSku": "slow-call", "name": "Jane", "email": "jane@example.com"}"#;
        app.post("/api/bookings").header("idempotency-key", "unknown-outcome").json(body).send()
    };
    // Nothing can be written to the table while this transaction is open.
    let mut holder = runtime().block_on(async {
        let mut connection = PgConnection::connect(&database).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE bookings IN EXCLUSIVE MODE").execute(&mut connection).await.unwrap();
        connection
    });
    book().assert_refused(504, "OUTCOME_UNKNOWN");
    runtime().block_on(sqlx::raw_sql("COMMIT").execute(&mut holder)).unwrap();
    let begun = Instant::now();
    let told = loop {
        let answer = book();
        if answer.status == 201 {
            break answer;
        }
        assert!(matches!(answer.error_code().as_str(), "OUTCOME_UNKNOWN" | "IDEMPOTENCY_IN_PROGRESS"));
        assert!(begun.elapsed() < Duration::from_secs(10), "it never tells");
        std::thread::sleep(Duration::from_millis(20));
    };
    let again = book();
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &told.body));
    let made = runtime().block_on(async {
        let count = "SELECT count(*) FROM bookings WHERE name = 'Jane'";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut holder).await.unwrap()
    });
    assert_eq!(made, 1);
}
