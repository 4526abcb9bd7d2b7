//! The database is out of something: room on its disk, or connections. That is said clearly, and is over when it is over.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::load::Load;
use crate::memory::verify;
use crate::visitor::{Visitor, licence};
use crate::world::{LIMIT, Wishes, World, seed, until};

/// A file system of its own, in memory: of a size that can be filled.
struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    /// None where this user may not mount one.
    fn mount() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("primetech-disk-").tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=160m,mode=0755", "primetech-faults"]).arg(folder.path());
        let mounted = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self { path: folder.path().to_owned(), _folder: folder })
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = File::create(self.filling()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn clear(&self) {
        std::fs::remove_file(self.filling()).unwrap();
    }

    fn filling(&self) -> PathBuf {
        self.path.join("filling")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: it goes when its last file is closed.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_clearly_and_is_recovered_from() {
    let disk = SmallDisk::mount();
    let cluster_in = disk.as_ref().map(|disk| disk.path.clone());
    // Room in the log for what is written until tables cannot grow: where the log cannot, PostgreSQL itself ends.
    let settings = vec![("min_wal_size", "64MB"), ("max_wal_size", "64MB")];
    let mut world = World::open_with(Wishes { settings, cluster_in, ..Wishes::default() }).await;
    let load = Load::start(&world, 6, seed()).await;
    load.until_more(2).await;
    match &disk {
        Some(disk) => {
            world.execute("SELECT pg_switch_wal(); CHECKPOINT").await;
            disk.fill();
            eprintln!("the database's disk is full: {}", room(&disk.path));
        }
        None => {
            eprintln!(
                "no file system can be mounted: PostgreSQL's own refusal of a full disk (53100) is raised instead"
            );
            world
                .execute(
                    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
                     BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$;
                     CREATE TRIGGER full_disk BEFORE INSERT ON orders EXECUTE FUNCTION full_disk();
                     CREATE TRIGGER full_disk BEFORE INSERT ON activations EXECUTE FUNCTION full_disk();",
                )
                .await;
        }
    }
    let refused = async || {
        let told = load.memory.told();
        assert!(told.unexpected.is_empty(), "{:#?}", told.unexpected);
        let refusals = ["503 DATABASE_UNAVAILABLE", "webhook: 500 WEBHOOK_PROCESSING_FAILED"];
        told.answers.keys().any(|answered| refusals.iter().any(|refusal| answered.ends_with(refusal)))
    };
    until("a full disk is noticed", LIMIT * 2, refused).await;
    // What is only read is served.
    let visitor = Visitor::unknown(&world);
    visitor.post("/api/licences/validate", &json!({"licKey": licence(0)})).await.unwrap().expect(200);
    verify(&world, &load.memory.told()).await;
    match &disk {
        Some(disk) => disk.clear(),
        None => world.execute("DROP FUNCTION full_disk() CASCADE").await,
    }
    let begun = Instant::now();
    load.until_more(3).await;
    eprintln!("served again within {:?}", begun.elapsed());
    load.finish_and_verify(&world).await;
    // Before the disk that it lies on.
    world.kill_service().await;
    world.kill_database().await;
}

fn room(path: &Path) -> String {
    let told =
        Command::new("df").arg("-h").arg(path).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&told).lines().last().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_free_connection_is_said_to_be_unavailable_and_recovered_from() {
    let world = World::open().await;
    let visitor = Visitor::register(&world).await;
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'primetech'";
    // Keeps a connection for the questions of this test.
    assert!(world.count(ours).await > 0);
    // Others take every connection there is, also those that the service had.
    let mut others = Vec::new();
    let mut none_left = async || {
        world.proxy.cut();
        while let Ok(connection) = PgConnection::connect(&world.database_url).await {
            others.push(connection);
        }
        world.count(ours).await == 0
    };
    until("others have all connections", LIMIT, &mut none_left).await;
    let begun = Instant::now();
    let (order, ready) = tokio::join!(visitor.check_out("crowded"), visitor.get("/ready"));
    order.unwrap().refused(503, "DATABASE_UNAVAILABLE");
    ready.unwrap().refused(503, "DATABASE_UNAVAILABLE");
    let took = begun.elapsed();
    // It is there, and so is waited for: ten seconds, as for any connection.
    assert!(took < Duration::from_secs(13), "refused after {took:?}");
    drop(others);
    let begun = Instant::now();
    until("it serves again", LIMIT, async || visitor.check_out("crowded").await.unwrap().status == 201).await;
    eprintln!("refused within {took:?}, served again within {:?}", begun.elapsed());
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);
}
