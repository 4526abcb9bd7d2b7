//! What runs in every process is done once: rows that are over, messages that are due. What a process that died had taken
//! is taken by another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use primetech_actors::clock::SystemClock;
use primetech_actors::database::Database;
use primetech_actors::sweeper::{Round, Sweeper, TABLES};
use reqwest::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::net::TcpListener;

use crate::harness::{DEMO, Shop, until};
use crate::serving::Process;

/// A thousand rows that are over, and ten that are not, in each table that is swept.
const ROWS: &str = "
    INSERT INTO sessions (tenant_id, id, token_hash, user_id, created_at, expires_at)
        SELECT u.tenant_id, gen_random_uuid(), ('over ' || n)::bytea, u.id, now() - interval '99 days', now() - interval '8 days'
        FROM users u, generate_series(1, 1000) n;
    INSERT INTO sessions (tenant_id, id, token_hash, user_id, created_at, expires_at)
        SELECT u.tenant_id, gen_random_uuid(), ('kept ' || n)::bytea, u.id, now() - interval '99 days', now() - interval '6 days'
        FROM users u, generate_series(1, 10) n;
    INSERT INTO email_verification_tokens (tenant_id, id, user_id, token_hash, created_at, expires_at)
        SELECT tenant_id, id, user_id, token_hash, created_at, expires_at FROM sessions WHERE expires_at < now();
    INSERT INTO password_reset_tokens (tenant_id, id, user_id, token_hash, created_at, expires_at)
        SELECT tenant_id, id, user_id, token_hash, created_at, expires_at FROM sessions WHERE expires_at < now();
    INSERT INTO idempotency_keys (tenant_id, id, owner, key, request_hash, locked_until, created_at, expires_at)
        SELECT tenant_id, id, 'user:x', id::text, 'hash', created_at, created_at,
               CASE WHEN encode(token_hash, 'escape') LIKE 'over%' THEN expires_at ELSE now() + interval '1 hour' END
        FROM sessions WHERE expires_at < now();
    INSERT INTO outbox_messages (tenant_id, id, topic, payload, status, next_attempt_at, created_at, sent_at)
        SELECT tenant_id, id, 'mail.x', '{}', 'SENT', created_at, created_at,
               CASE WHEN encode(token_hash, 'escape') LIKE 'over%' THEN now() - interval '31 days' ELSE now() - interval '29 days' END
        FROM sessions WHERE expires_at < now();
    INSERT INTO outbox_messages (tenant_id, id, topic, payload, status, next_attempt_at, created_at)
        SELECT tenant_id, gen_random_uuid(), 'mail.x', '{}', 'DEAD', created_at, created_at FROM users;
    INSERT INTO mail_allowances (id, recipient, sort, at)
        SELECT id, sha256(token_hash), 'reset',
               CASE WHEN encode(token_hash, 'escape') LIKE 'over%' THEN now() - interval '61 minutes' ELSE now() - interval '59 minutes' END
        FROM sessions WHERE expires_at < now();";

fn sweeper(shop: &Shop) -> Sweeper {
    let database = Database::connect_lazy(&shop.database_url.as_str().into(), 2).unwrap();
    Sweeper::new(database, Arc::new(SystemClock))
}

/// Sweeps until nothing is left, and tells how much that was.
async fn sweep(sweeper: &Sweeper) -> u64 {
    let mut deleted = 0;
    loop {
        let round: Round = sweeper.round().await.unwrap();
        deleted += round.deleted;
        if !round.has_more {
            return deleted;
        }
    }
}

async fn rows(shop: &Shop) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push(shop.count(&format!("SELECT count(*) FROM {table}")).await);
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_deleted_once_by_however_many_processes_and_nothing_else() {
    let shop = Shop::open().await;
    shop.register(DEMO).await;
    until("the mail has left", async || shop.mails().len() == 1).await;
    let before = rows(&shop).await;
    shop.execute(ROWS).await;
    let (one, other) = (sweeper(&shop), sweeper(&shop));
    let (by_one, by_other) = tokio::join!(sweep(&one), sweep(&other));
    // One may have passed over what the other had locked, and have ended before that was done.
    let by_one = by_one + sweep(&one).await;
    assert_eq!(by_one + by_other, 6 * 1_000);
    // Ten of each stay; of the messages also the one that was given up.
    let stay: Vec<i64> =
        before.iter().zip([10, 10, 10, 10, 11, 10]).map(|(before, kept)| before + kept).collect();
    assert_eq!(rows(&shop).await, stay);
    assert_eq!(sweep(&one).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_had_locked_is_swept_by_another() {
    let shop = Shop::open().await;
    shop.register(DEMO).await;
    shop.execute(ROWS).await;
    // As a sweeper that hangs in the middle of a batch.
    let mut hanging = shop.pool.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *hanging).await.unwrap();
    let held = "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE expires_at < now() LIMIT 400)";
    assert_eq!(sqlx::query(held).execute(&mut *hanging).await.unwrap().rows_affected(), 400);
    let living = sweeper(&shop);
    assert_eq!(sweep(&living).await, 5 * 1_000 + 600, "it waits for nobody");
    shop.execute(&format!("SELECT pg_terminate_backend({pid})")).await;
    let left = "SELECT count(*) FROM idempotency_keys WHERE expires_at < now()";
    assert_eq!(shop.count(left).await, 400);
    until("the rows are free", async || sweep(&living).await > 0 || shop.count(left).await == 0).await;
    until("all are deleted", async || {
        sweep(&living).await;
        shop.count(left).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_s_transaction_can_do_nothing_but_delete_what_is_over() {
    let shop = Shop::open().await;
    shop.register(DEMO).await;
    shop.execute(ROWS).await;
    let before = rows(&shop).await;
    let mut transaction = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("SET LOCAL ROLE primetech_app; SET LOCAL app.scope = 'sweeper'")
        .execute(&mut *transaction)
        .await
        .unwrap();
    for (table, over) in TABLES.into_iter().zip([1_010, 1_010, 1_010, 1_000, 1_010, 1_010]) {
        let seen: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        let seen = seen - i64::from(table == "outbox_messages" && seen > over);
        assert_eq!(seen, over, "{table}: what is not over is not even seen");
    }
    let others: i64 =
        sqlx::query_scalar("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM orders)")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
    assert_eq!(others, 0);
    let change = sqlx::query("UPDATE sessions SET revoked_at = NULL, expires_at = now() + interval '1 year'");
    let refused = change.execute(&mut *transaction).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("42501"));
    drop(transaction);
    assert_eq!(rows(&shop).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_a_killed_process_had_taken_is_sent_by_another_once() {
    let shop = Shop::open().await;
    let user = shop.register(DEMO).await;
    until("the first mail has left", async || shop.mails().len() == 1).await;
    // A mail server that takes connections and never answers holds a message in a process's hands.
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = format!("smtp://{}", hanging.local_addr().unwrap());
    let mut doomed = Process::start(&shop, &[("SMTP_URL", smtp.as_str()), ("MAIL_DIR", "")]).await;
    let is_held = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&is_held);
    tokio::spawn(async move {
        let _connection = hanging.accept().await.unwrap();
        held.store(true, Ordering::SeqCst);
        std::future::pending::<()>().await;
    });
    // Whose courier is first is chance, though mostly the one that was asked: until it is the doomed one's.
    let mut asked = 0;
    while !is_held.load(Ordering::SeqCst) {
        assert!(asked < 20, "the doomed process takes none");
        asked += 1;
        let body = json!({"email": user.email}).to_string();
        let path = "/api/auth/request-password-reset";
        doomed.send(Method::POST, DEMO, path, &[], Some(body)).await.expect(202);
        until("it is sent or held", async || {
            let waiting = shop.count("SELECT count(*) FROM outbox_messages WHERE status = 'PENDING'").await;
            waiting == 0 || is_held.load(Ordering::SeqCst)
        })
        .await;
    }
    let taken = "SELECT count(*) FROM outbox_messages WHERE status = 'PENDING' AND attempts = 1
                 AND next_attempt_at > now() + interval '60 seconds'";
    let sent = shop.mails().len();
    doomed.kill();
    assert_eq!(shop.count(taken).await, 1, "its lease is still running: nobody else takes it");
    // The lease's two minutes go by.
    shop.execute("UPDATE outbox_messages SET next_attempt_at = now() WHERE status = 'PENDING'").await;
    until("the living one has sent it", async || {
        shop.count("SELECT count(*) FROM outbox_messages WHERE status <> 'SENT'").await == 0
    })
    .await;
    assert_eq!(shop.mails().len(), sent + 1);
    assert_eq!(shop.count("SELECT count(*) FROM outbox_messages WHERE attempts = 2").await, 1);
}
