//! PostgreSQL refuses to run as root: the ways around that. Started by an ordinary user, these tests have nothing to
//! show, and say so.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use primetech::dev::postgres::{AsRoot, ClusterError, ClusterOptions, PrivateCluster};
use sqlx::{Connection as _, PgConnection};

fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("not run by root: nothing to show");
    }
    root
}

fn folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("primetech-devenv-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    folder
}

fn options(folder: &tempfile::TempDir, as_root: AsRoot) -> ClusterOptions {
    ClusterOptions { as_root, ..ClusterOptions::fast(folder.path().join("postgres")) }
}

/// The user of the postmaster, as this process sees it.
fn user_of(cluster: &PrivateCluster) -> u32 {
    std::fs::metadata(format!("/proc/{}", cluster.pid())).unwrap().uid()
}

async fn ping(cluster: &PrivateCluster) {
    PgConnection::connect(&cluster.url("postgres")).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn root_runs_it_in_a_namespace_where_only_root_reaches() {
    if !is_root() {
        return;
    }
    let folder = folder(0o700);
    let cluster = PrivateCluster::start(options(&folder, AsRoot::NamespaceFirst)).await.unwrap();
    ping(&cluster).await;
    assert_eq!(folder.path().join("postgres/pgdata").metadata().unwrap().uid(), 0);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn root_runs_it_as_the_service_user_and_changes_over_later() {
    if !is_root() {
        return;
    }
    let folder = folder(0o755);
    let cluster = PrivateCluster::start(options(&folder, AsRoot::ServiceUser)).await.unwrap();
    ping(&cluster).await;
    assert_ne!(user_of(&cluster), 0);
    cluster.stop().await.unwrap();

    let cluster = PrivateCluster::start(options(&folder, AsRoot::NamespaceFirst)).await.unwrap();
    ping(&cluster).await;
    assert!(!cluster.is_new());
    assert_eq!(folder.path().join("postgres/pgdata").metadata().unwrap().uid(), 0);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn under_another_users_closed_folder_root_runs_it_as_that_user() {
    if !is_root() {
        return;
    }
    // Any user but root and postgres: Debian's `daemon` has had this number always.
    const OWNER: u32 = 1;
    let folder = folder(0o700);
    std::os::unix::fs::chown(folder.path(), Some(OWNER), None).unwrap();
    let cluster = PrivateCluster::start(options(&folder, AsRoot::NamespaceFirst)).await.unwrap();
    ping(&cluster).await;
    assert_eq!(user_of(&cluster), OWNER);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_the_service_user_cannot_reach_is_named() {
    if !is_root() {
        return;
    }
    let folder = folder(0o700);
    let error = PrivateCluster::start(options(&folder, AsRoot::ServiceUser)).await.unwrap_err();
    assert!(matches!(error, ClusterError::Root { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&*folder.path().to_string_lossy()) && text.contains("as the user postgres"),
        "{text}"
    );
}
