//! A private cluster's life: first start, restart, crash, end.

use std::path::Path;
use std::time::{Duration, Instant};

use primetech::dev::postgres::{ClusterError, ClusterOptions, PrivateCluster};
use primetech::process::{Signal, process_exists, send_signal, wait_for};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("primetech-devenv-").tempdir().unwrap()
}

pub async fn start(folder: &TempDir) -> PrivateCluster {
    PrivateCluster::start(ClusterOptions::new(folder.path().join("postgres"))).await.unwrap()
}

pub async fn connect(cluster: &PrivateCluster) -> PgConnection {
    PgConnection::connect(&cluster.url("postgres")).await.unwrap()
}

async fn ask(connection: &mut PgConnection, question: &'static str) -> String {
    connection.fetch_one(question).await.unwrap().get(0)
}

/// All processes that work in the cluster's data directory: the postmaster and what it started.
#[cfg(target_os = "linux")]
pub fn processes_in(folder: &Path) -> Vec<u32> {
    let pgdata = folder.canonicalize().unwrap().join("postgres/pgdata");
    let works_here =
        |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == pgdata);
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    numbers.filter_map(|it| it.file_name().to_str()?.parse().ok()).filter(works_here).collect()
}

#[tokio::test]
async fn a_new_cluster_answers_within_seconds_and_a_restart_keeps_its_data() {
    let folder = folder();
    let begin = Instant::now();
    let cluster = start(&folder).await;
    let cold = begin.elapsed();
    assert!(cluster.is_new());
    let (url, port) = (cluster.url("postgres"), cluster.port());
    let mut connection = connect(&cluster).await;
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    connection.close().await.unwrap();
    cluster.stop().await.unwrap();

    let begin = Instant::now();
    let cluster = start(&folder).await;
    let warm = begin.elapsed();
    // Generous against a busy machine: half a second and a tenth are usual.
    assert!(cold < Duration::from_secs(15) && warm < Duration::from_secs(3), "cold {cold:?}, warm {warm:?}");
    assert!(!cluster.is_new());
    assert_eq!((cluster.url("postgres"), cluster.port()), (url, port), "a URL noted down stays good");
    let mut connection = connect(&cluster).await;
    assert_eq!(ask(&mut connection, "SELECT answer::text FROM kept").await, "42");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_set_up_as_the_product_expects() {
    let folder = folder();
    let cluster = start(&folder).await;
    let mut connection = connect(&cluster).await;
    for (question, answer) in [
        ("SHOW fsync", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW timezone", "UTC"),
        ("SHOW listen_addresses", "127.0.0.1"),
        ("SHOW unix_socket_directories", ""),
        ("SHOW max_connections", "200"),
        ("SELECT current_user::text", "primetech"),
        ("SELECT datcollate::text FROM pg_database WHERE datname = 'postgres'", "C"),
    ] {
        assert_eq!(ask(&mut connection, question).await, answer, "{question}");
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let folder = folder();
    let cluster = start(&folder).await;
    let url = format!("postgres://primetech:wrong@127.0.0.1:{}/postgres?sslmode=disable", cluster.port());
    let refusal = PgConnection::connect(&url).await.unwrap_err();
    let code = refusal.as_database_error().and_then(|error| error.code()).unwrap().into_owned();
    assert_eq!(code, "28P01");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |name: &str| folder.path().join("postgres").join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("superuser-password") & 0o777, 0o600);
        assert_eq!(mode("") & 0o777, 0o700);
    }
    assert!(!format!("{cluster:?}").contains("password"));
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_committed_survives_a_killed_postmaster() {
    let folder = folder();
    let cluster = start(&folder).await;
    let mut connection = connect(&cluster).await;
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    // A backend that is busy, and so notices the postmaster's end late.
    let mut busy = connect(&cluster).await;
    let work =
        tokio::spawn(
            async move { busy.execute("SELECT count(*) FROM generate_series(1, 2000000000)").await },
        );
    let busy_now = "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%2000000000%' \
                    AND pid <> pg_backend_pid()";
    while ask(&mut connection, busy_now).await != "1" {}
    send_signal(cluster.pid(), Signal::Kill).unwrap();
    cluster.ended().await;
    cluster.stop().await.unwrap();

    let cluster = start(&folder).await;
    assert!(work.await.unwrap().is_err(), "the old server's work is over");
    let mut connection = connect(&cluster).await;
    assert_eq!(ask(&mut connection, "SELECT answer::text FROM kept").await, "42");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_pid_file_that_names_another_living_process_is_seen_through() {
    let folder = folder();
    let cluster = start(&folder).await;
    let pid_file = folder.path().join("postgres/pgdata/postmaster.pid");
    let recorded = std::fs::read_to_string(&pid_file).unwrap();
    let own = std::process::id().to_string();
    let stale = recorded.replacen(&cluster.pid().to_string(), &own, 1);
    cluster.stop().await.unwrap();
    assert!(stale.starts_with(&own));
    std::fs::write(&pid_file, stale).unwrap();

    // Were the number believed, this very process would be ended.
    let cluster = start(&folder).await;
    connect(&cluster).await.ping().await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn two_clusters_run_side_by_side() {
    let (one, other) = (folder(), folder());
    let (first, second) = tokio::join!(start(&one), start(&other));
    assert_ne!(first.port(), second.port());
    connect(&first).await.execute("CREATE TABLE only_here ()").await.unwrap();
    assert!(connect(&second).await.execute("SELECT FROM only_here").await.is_err());
    first.stop().await.unwrap();
    connect(&second).await.ping().await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test]
async fn one_folder_is_served_once_at_a_time() {
    let folder = folder();
    let cluster = start(&folder).await;
    let options = ClusterOptions::new(folder.path().join("postgres"));
    assert!(matches!(PrivateCluster::start(options).await, Err(ClusterError::InUse { .. })));
    connect(&cluster).await.ping().await.unwrap();
    cluster.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stop_ends_every_process_even_with_clients_in_a_transaction() {
    let folder = folder();
    let cluster = start(&folder).await;
    let mut connection = connect(&cluster).await;
    connection.execute("BEGIN").await.unwrap();
    let running = processes_in(folder.path());
    assert!(running.len() > 3 && running.contains(&cluster.pid()), "{running:?}");
    cluster.stop().await.unwrap();
    assert_eq!(processes_in(folder.path()), Vec::<u32>::new());
    assert!(running.iter().all(|pid| !process_exists(*pid)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dropped_cluster_ends_too() {
    let folder = folder();
    drop(start(&folder).await);
    assert_eq!(processes_in(folder.path()), Vec::<u32>::new());
}

#[tokio::test]
async fn an_interrupted_making_is_begun_anew() {
    let folder = folder();
    let cluster = folder.path().join("postgres");
    std::fs::create_dir_all(cluster.join("pgdata/base")).unwrap();
    std::fs::write(cluster.join("pgdata/PG_VERSION"), "15\n").unwrap();
    std::fs::write(cluster.join("primetech-cluster"), "being made\n").unwrap();
    let cluster = start(&folder).await;
    assert!(cluster.is_new());
    connect(&cluster).await.ping().await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_of_someone_elses_is_left_as_it_is() {
    let folder = folder();
    std::fs::write(folder.path().join("PG_VERSION"), "15\n").unwrap();
    let error = PrivateCluster::start(ClusterOptions::new(folder.path())).await.unwrap_err();
    assert!(matches!(error, ClusterError::NotOurs { .. }), "{error}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["PG_VERSION"]);
}

#[tokio::test]
async fn a_taken_port_is_named_when_asked_for_and_avoided_when_not() {
    let folder = folder();
    let cluster = start(&folder).await;
    let port = cluster.port();
    cluster.stop().await.unwrap();
    let _taker = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();

    let mut options = ClusterOptions::new(folder.path().join("postgres"));
    options.port = Some(port);
    let error = PrivateCluster::start(options).await.unwrap_err();
    assert!(matches!(error, ClusterError::PortTaken { port: named } if named == port), "{error}");

    let cluster = start(&folder).await;
    assert_ne!(cluster.port(), port);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_will_not_start_says_why() {
    let folder = folder();
    let mut options = ClusterOptions::fast(folder.path().join("postgres"));
    options.settings.push(("no_such_setting".to_owned(), "1".to_owned()));
    let error = PrivateCluster::start(options).await.unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
    assert!(wait_for(LIMIT, || !folder.path().join("postgres/pgdata/postmaster.pid").exists()));
}
