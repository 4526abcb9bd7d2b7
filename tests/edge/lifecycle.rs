use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use primetech::limits::Limits;
use primetech::schema;
use secrecy::SecretString;

use crate::client::Answer;
use crate::endpoints::{AT_THE_GATE, GATE};
use crate::harness::{self, NO_DATABASE, Running, empty_database, limits, runtime, start, start_on};

/// Asks until the condition holds; panics where it does not within ten seconds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ready(app: &Running) -> Answer {
    app.get("/ready").host("nobody.localhost").send()
}

#[test]
fn alive_and_ready_need_no_tenant() {
    let app = start();
    let alive = app.get("/health").host("nobody.localhost").send();
    assert_eq!((alive.status, alive.json()), (200, serde_json::json!({"status": "ok"})));
    let ready = ready(&app);
    assert_eq!(ready.status, 200, "{ready:?}");
}

#[test]
fn without_a_database_it_is_alive_and_not_ready() {
    let app = start_on(NO_DATABASE, limits(), &[]);
    assert_eq!(app.get("/health").send().status, 200);
    ready(&app).assert_refused(503, "DATABASE_UNAVAILABLE");
}

#[test]
fn it_is_ready_while_everything_but_the_database_is_away() {
    let nowhere = "127.0.0.1:1";
    let (store, redis, mail) =
        (format!("http://{nowhere}"), format!("redis://{nowhere}"), format!("smtp://{nowhere}"));
    let app = harness::start_with(
        limits(),
        &[
            ("S3_ENDPOINT", &store),
            ("STRIPE_API_BASE", &store),
            ("REDIS_URL", &redis),
            ("SMTP_URL", &mail),
            ("MAIL_DIR", ""),
            ("RATE_LIMIT", "on"),
        ],
    );
    assert_eq!(ready(&app).status, 200);
    assert_eq!(app.get("/api/test/tenant").send().json()["slug"], "demo");
}

#[test]
fn it_listens_on_loopback_unless_told_otherwise() {
    assert_eq!(start_on(NO_DATABASE, limits(), &[]).address.ip().to_string(), "127.0.0.1");
    let everywhere = start_on(NO_DATABASE, limits(), &[("BIND_ADDRESS", "0.0.0.0")]);
    assert_eq!(everywhere.address.ip().to_string(), "0.0.0.0");
}

#[test]
fn it_is_ready_once_the_schema_is_the_program_s() {
    let url = empty_database();
    let app = start_on(&url, limits(), &[]);
    ready(&app).assert_refused(503, "DATABASE_UNAVAILABLE");
    let applied = runtime().block_on(schema::migrate(&SecretString::from(url.as_str()))).unwrap();
    assert_eq!(applied, schema::MIGRATIONS.iter().count());
    let after = ready(&app);
    assert_eq!(after.status, 200, "{after:?}");
    assert_eq!(runtime().block_on(schema::migrate(&SecretString::from(url.as_str()))).unwrap(), 0);
}

#[test]
fn a_schema_ahead_is_worked_on_until_it_contracts() {
    let url = empty_database();
    let later = |by: i64, description: String| {
        let version = schema::latest_version() + by;
        let sql = format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES ({version}, '{description}', true, '', 0)"
        );
        runtime().block_on(harness::execute(&url, &sql));
    };
    runtime().block_on(schema::migrate(&SecretString::from(url.as_str()))).unwrap();
    later(1, "a new column".to_owned());
    later(2, format!("contract from {} the old column", schema::latest_version()));
    assert_eq!(ready(&start_on(&url, limits(), &[])).status, 200, "as after a roll-back");
    later(3, format!("contract from {} the column before", schema::latest_version() + 1));
    ready(&start_on(&url, limits(), &[])).assert_refused(503, "DATABASE_UNAVAILABLE");
}

#[test]
fn two_applications_live_side_by_side_in_one_process() {
    let (first, second) = (start(), start());
    assert_ne!(first.address, second.address);
    assert_eq!(first.get("/api/test/tenant").send().json()["slug"], "demo");
    drop(first);
    assert_eq!(second.get("/api/test/tenant").send().json()["slug"], "demo");
}

#[test]
fn a_stop_says_so_first_and_answers_what_is_under_way() {
    let limits = Limits { shutdown_notice: Duration::from_secs(4), ..limits() };
    let mut app = start_on(NO_DATABASE, limits, &[]);
    let address = app.address;
    let under_way =
        std::thread::spawn(move || crate::client::Call::new(address, "GET", "/test/gate").send().status);
    until("the request is under way", || AT_THE_GATE.load(Ordering::SeqCst) == 1);
    app.ask_to_stop();
    until("not ready while stopping", || {
        let answer = ready(&app);
        answer.status == 503 && answer.error_code() == "OVERLOADED"
    });
    assert_eq!(app.get("/health").send().status, 200);
    until("connections are refused", || TcpStream::connect(address).is_err());
    GATE.add_permits(1);
    assert_eq!(under_way.join().unwrap(), 200);
    app.wait();
}
