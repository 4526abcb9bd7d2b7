//! Limits that several processes share through a real Redis, and what becomes of them without it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use primetech_accounts::{MailTokenKind, TokenSecret};
use primetech_actors::random::opaque_id;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::client::{Answer, Call};
use crate::harness::{migrated_database, runtime, variables};
use crate::redis::{Redis, free_port, is_installed};

const LOST: &str = "Redis cannot be asked";
const BACK: &str = "Redis is back";

/// `primetech serve`, as an operator runs it.
struct Serving {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Serving {
    fn start(redis_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let changes = [
            ("NODE_ENV", "production"),
            ("RATE_LIMIT", "on"),
            ("RATE_LIMIT_OTHER", "10"),
            ("RATE_LIMIT_AUTH", "1000"),
            ("RATE_LIMIT_LOGIN_FAILURES", "4"),
            ("REDIS_URL", redis_url),
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_primetech"));
        command.env_clear().current_dir(folder.path()).arg("serve").stderr(Stdio::piped());
        for (name, value) in variables(&migrated_database(), &changes).iter() {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        let address = || {
            let log = log.lock().unwrap();
            log.iter().find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                line["address"].as_str()?.parse().ok()
            })
        };
        until("it serves", || address().is_some());
        let address = address().unwrap();
        Self { child, address, log, _folder: folder }
    }

    fn get(&self, path: &str) -> Answer {
        Call::new(self.address, "GET", path).send()
    }

    fn shares(&self) -> bool {
        let figures = String::from_utf8(self.get("/metrics").body).unwrap();
        figures.lines().any(|line| line == "rate_limits_shared 1")
    }

    /// How many lines of the log have this in them.
    fn said(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A call that is limited and needs nothing else.
fn passes(address: SocketAddr) -> bool {
    match Call::new(address, "GET", "/api/nothing").send().status {
        404 => true,
        429 => false,
        other => panic!("answered {other}"),
    }
}

fn guess_is_answered(address: SocketAddr) -> bool {
    let body = r#"{"email": "jane@example.com", "password": "not the right one"}"#;
    match Call::new(address, "POST", "/api/auth/login").json(body).send().status {
        401 => true,
        429 => false,
        other => panic!("answered {other}"),
    }
}

/// How many of so many calls at each of the processes, all at the same time, pass.
fn passing(processes: &[&Serving], calls: usize, call: fn(SocketAddr) -> bool) -> usize {
    std::thread::scope(|scope| {
        let threads: Vec<_> = processes
            .iter()
            .flat_map(|process| std::iter::repeat_n(process.address, calls))
            .map(|address| scope.spawn(move || call(address)))
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    })
}

#[test]
fn processes_share_limits_through_redis_and_go_on_without_it() {
    if !is_installed() {
        return;
    }
    let redis = Redis::start();
    let port = redis.port;
    let (one, other) = (Serving::start(&redis.url()), Serving::start(&redis.url()));
    until("both share", || one.shares() && other.shares());

    assert_eq!(passing(&[&one, &other], 15, passes), 10, "one limit for both");
    assert_eq!(passing(&[&one, &other], 6, guess_is_answered), 4, "one count of failures for both");
    let mut keys = redis.keys();
    keys.sort();
    keys.dedup_by_key(|key| key.rsplit_once(':').unwrap().0.to_owned());
    let buckets: Vec<&str> = keys.iter().map(|key| key.split(':').nth(2).unwrap()).collect();
    assert_eq!(buckets, ["auth", "login-failures", "other"]);
    for key in &keys {
        let subject = key.rsplit(':').next().unwrap();
        assert!(subject.len() == 32 && subject.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        let lifetime: i64 =
            redis.ask(&format!("PTTL {key}")).unwrap()[1..].lines().next().unwrap().parse().unwrap();
        assert!((1..=900_000).contains(&lifetime), "{key} would stay: {lifetime}");
    }

    redis.kill();
    let begun = Instant::now();
    assert_eq!(passing(&[&one], 15, passes), 10, "each process by itself");
    assert_eq!(passing(&[&other], 15, passes), 10, "each process by itself");
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for it: {:?}", begun.elapsed());
    assert!(!one.shares() && !other.shares());
    until("both have said so", || one.said(LOST) > 0 && other.said(LOST) > 0);

    let redis = Redis::start_on(port);
    until("both share again", || one.shares() && other.shares());
    assert_eq!(passing(&[&one, &other], 15, passes), 10, "one limit for both again");
    until("both have said so", || one.said(BACK) == 1 && other.said(BACK) == 1);
    assert_eq!((one.said(LOST), other.said(LOST)), (1, 1), "once for the outage, not for each request");
    drop(redis);
}

#[test]
fn a_reset_at_one_process_clears_the_failed_logins_that_all_have_counted() {
    if !is_installed() {
        return;
    }
    let redis = Redis::start();
    let (one, other) = (Serving::start(&redis.url()), Serving::start(&redis.url()));
    until("both share", || one.shares() && other.shares());
    let email = format!("{}@example.com", opaque_id().simple());
    let post = |process: &Serving, path: &str, body: Value| {
        Call::new(process.address, "POST", &format!("/api/auth/{path}")).json(body.to_string()).send().status
    };
    let log_in = |process: &Serving, password: &str| {
        post(process, "login", json!({"email": email, "password": password}))
    };
    let (old, new) = ("seven owls at dusk", "eight owls at dawn");
    assert_eq!(post(&one, "register", json!({"email": email, "password": old})), 201);
    for process in [&one, &other, &one, &other] {
        assert_eq!(log_in(process, "not the right one"), 401);
    }
    assert_eq!((log_in(&one, old), log_in(&other, old)), (429, 429));
    assert_eq!(post(&one, "request-password-reset", json!({"email": email})), 202);
    let token_id: Uuid = runtime().block_on(async {
        let mut connection = PgConnection::connect(&migrated_database()).await.unwrap();
        let of_user =
            "SELECT t.id FROM password_reset_tokens t JOIN users u ON u.id = t.user_id WHERE u.email = $1";
        sqlx::query_scalar(of_user).bind(&email).fetch_one(&mut connection).await.unwrap()
    });
    // As the mail has it.
    let secret = TokenSecret::new("a secret for tests, of enough bytes".into());
    let token = secret.mail_token(MailTokenKind::ResetPassword, token_id);
    assert_eq!(post(&other, "reset-password", json!({"token": token.expose(), "password": new})), 204);
    assert_eq!((log_in(&one, new), log_in(&other, new)), (200, 200));
}

#[test]
fn a_redis_that_hangs_holds_nobody_up() {
    if !is_installed() {
        return;
    }
    let redis = Redis::start();
    let process = Serving::start(&redis.url());
    until("it shares", || process.shares());
    redis.signal("STOP");
    let begun = Instant::now();
    assert_eq!((0..15).filter(|_| passes(process.address)).count(), 10);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(2), "one call waits for a moment, the others do not: {took:?}");
    until("it has said so", || process.said(LOST) == 1);
    redis.signal("CONT");
    until("it shares again", || process.shares() && process.said(BACK) == 1);
    assert_eq!(process.said(LOST), 1);
}

#[test]
fn a_process_starts_without_redis_and_finds_it_later() {
    if !is_installed() {
        return;
    }
    let port = free_port();
    let process = Serving::start(&format!("redis://127.0.0.1:{port}/"));
    assert_eq!(process.get("/ready").status, 200);
    assert_eq!(passing(&[&process], 15, passes), 10);
    until("it has said so", || process.said(LOST) == 1);
    let _redis = Redis::start_on(port);
    until("it shares", || process.shares());
    assert_eq!(passing(&[&process], 15, passes), 10);
}

/// The rule of one process is that of all: here by Redis' own clock.
#[test]
fn in_redis_a_call_is_forgotten_when_it_is_a_window_old() {
    if !is_installed() {
        return;
    }
    const WINDOW: u64 = 400;
    let redis = Redis::start();
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let script = redis::Script::new(include_str!("../../crates/http/src/rate_limits/count.lua"));
    let mut ask = |counts: u8| -> (u8, u32, u64) {
        script.key("key").arg(3).arg(WINDOW).arg(counts).invoke(&mut connection).unwrap()
    };
    assert_eq!(ask(0), (1, 3, WINDOW), "asking alone counts nothing");
    let begun = Instant::now();
    for remaining in [2, 1, 0] {
        let (allowed, left, more_after) = ask(1);
        assert_eq!((allowed, left), (1, remaining));
        assert!(more_after <= WINDOW, "{more_after}");
    }
    let mut refusals = 0;
    while ask(1).0 == 0 {
        refusals += 1;
        assert!(begun.elapsed() < Duration::from_secs(10), "it never ends");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Its clock is another than ours, and is read in whole milliseconds.
    let waited = begun.elapsed() + Duration::from_millis(5);
    assert!(refusals > 0 && waited >= Duration::from_millis(WINDOW), "{refusals} {waited:?}");
    until("what has ended is gone", || {
        redis.keys().is_empty() && redis.ask("EXISTS key").unwrap().starts_with(":0")
    });
}
