//! Killed outright, a process can clean nothing up. What it leaves running ends by itself, or is ended by the next
//! start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use primetech::dev::postgres::{ClusterOptions, PrivateCluster};
use primetech::process::{Identity, Signal, Supervised, prepare, process_exists, send_signal, wait_for};

use super::postgres::{connect, folder, processes_in, start};
use sqlx::Connection as _;

const LIMIT: Duration = Duration::from_secs(20);
const FOLDER: &str = "PRIMETECH_DEVENV_TEST_FOLDER";

/// The process that the test starts (itself, once more) and kills.
fn hold_a_cluster(folder: &Path) -> ! {
    let _cluster = PrivateCluster::start_blocking(&ClusterOptions::new(folder.join("postgres"))).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn the_server_ends_with_a_process_that_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        hold_a_cluster(Path::new(&folder));
    }
    let folder = folder();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "orphans::the_server_ends_with_a_process_that_is_killed"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null());
    let process = Supervised::spawn(command).unwrap();
    let pid_file = folder.path().join("postgres/pgdata/postmaster.pid");
    let ready = || std::fs::read_to_string(&pid_file).is_ok_and(|content| content.contains("ready"));
    assert!(wait_for(LIMIT, ready));
    let running = processes_in(folder.path());
    assert!(!running.is_empty());

    send_signal(process.pid(), Signal::Kill).unwrap();
    assert!(process.wait_at_most(LIMIT));
    assert!(wait_for(LIMIT, || !running.iter().any(|pid| process_exists(*pid))), "it ended with its parent");
}

#[tokio::test]
async fn a_server_left_running_is_ended_by_the_next_start() {
    let folder = folder();
    let cluster = start(&folder).await;
    let program = std::fs::read_link(format!("/proc/{}/exe", cluster.pid())).unwrap();
    cluster.stop().await.unwrap();
    let left_over = start_unattended(&program, folder.path());

    let cluster = start(&folder).await;
    assert!(left_over.wait_at_most(LIMIT));
    assert_ne!(cluster.pid(), left_over.pid());
    connect(&cluster).await.ping().await.unwrap();
    cluster.stop().await.unwrap();
}

/// A server on the folder's data that nothing but the folder leads to, as after a crash on a system where a child
/// does not hear of its parent's end.
fn start_unattended(program: &PathBuf, folder: &Path) -> Supervised {
    let pgdata = folder.canonicalize().unwrap().join("postgres/pgdata");
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let identity = if is_root { Identity::Namespace { inside: 65534 } } else { Identity::Own };
    let port = primetech::dev::free_port::free_port().unwrap();
    let mut command = Command::new(program);
    command.arg("-D").arg(&pgdata).args(["-c", "unix_socket_directories="]);
    command.args(["-c", &format!("port={port}")]).stderr(Stdio::null());
    prepare(&mut command, identity, folder, None).unwrap();
    let server = Supervised::spawn(command).unwrap();
    let pid_file = pgdata.join("postmaster.pid");
    let ready = || std::fs::read_to_string(&pid_file).is_ok_and(|content| content.contains("ready"));
    assert!(wait_for(LIMIT, ready), "{:?}", server.exit_status());
    server
}
