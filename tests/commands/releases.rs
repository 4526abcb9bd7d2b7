use primetech::dev::store::{ObjectStore, StoreOptions};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Installation, Ran};

/// An installation with two tenants and a store.
struct Shelf {
    installation: Installation,
    store: ObjectStore,
}

impl Shelf {
    async fn new() -> Self {
        let installation = Installation::new().await;
        installation.with_two_tenants().await;
        let store = ObjectStore::start(StoreOptions {
            root: installation.folder.path().join("objects"),
            port: None,
            access_key: "key".to_owned(),
            secret_key: "secret".into(),
            bucket: "private".to_owned(),
        });
        Self { store: store.await.unwrap(), installation }
    }

    fn file(&self, name: &str, content: &str) {
        std::fs::write(self.installation.folder.path().join(name), content).unwrap();
    }

    fn run(&self, line: &str) -> Ran {
        let mut program = self.installation.program();
        let variables = self.installation.variables("http://127.0.0.1:1");
        program.env_clear().envs(variables).env("S3_ENDPOINT", self.store.endpoint());
        program.args(line.split_whitespace()).output().unwrap().into()
    }

    /// The files in the store.
    fn objects(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut folders = vec![self.installation.folder.path().join("objects/private")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
                match path.is_dir() {
                    true => folders.push(path),
                    false if hidden => {}
                    false => found.push(std::fs::read(path).unwrap()),
                }
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_published_once_and_served_to_its_own_tenant() {
    let shelf = Shelf::new().await;
    shelf.file("icons.zip", "many icons");
    let line = "release publish --tenant acme --sku icons --version 1.0 --notes New! --json icons.zip";
    let made = shelf.run(line).expect(0).json();
    let hash: String = Sha256::digest("many icons").iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = ["productSku", "version", "channel", "platform", "fileName", "sizeBytes", "sha256", "notes"];
    assert_eq!(
        json!(keys.map(|key| made[key].clone())),
        json!(["icons", "1.0", "stable", "any", "icons.zip", 10, hash, "New!"])
    );
    assert_eq!(shelf.objects(), [b"many icons"]);

    shelf.file("icons.zip", "other icons");
    shelf.run(line).refused(1, &["this version is published already"]);
    assert_eq!(shelf.objects(), [b"many icons"], "refused before anything was carried");
    shelf.run(&line.replace("1.0", "1.0 --platform linux")).expect(0);
    shelf.run(&line.replace("acme", "other")).expect(0);

    let listed = shelf.run("release list --tenant acme --json").expect(0).json();
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|release| release["platform"].clone()).collect();
    assert_eq!(json!(listed), json!(["linux", "any"]));
    let table = shelf.run("release list --tenant acme").expect(0).stdout;
    assert!(table.starts_with("SKU") && table.lines().count() == 3, "{table}");

    let serving = shelf.installation.serve();
    let releases = serving.get("acme.test", "/api/releases", "").await.expect(200).json();
    assert_eq!(releases["items"][1], made);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_told_and_leaves_nothing() {
    let shelf = Shelf::new().await;
    shelf.file("icons.zip", "icons");
    let publish = |rest: &str| shelf.run(&format!("release publish {rest}"));
    publish("--tenant acme --sku icons --version 1/2 --channel= --file-name a/b icons.zip")
        .refused(2, &["--version must", "--channel must", "--file-name must"]);
    publish("--tenant nobody --sku icons --version 1 icons.zip").refused(1, &["there is no tenant nobody"]);
    publish("--tenant acme --sku nothing --version 1 icons.zip").refused(1, &["there is no product nothing"]);
    publish("--tenant acme --sku call --version 1 icons.zip").refused(1, &["SERVICE"]);
    publish("--tenant acme --sku icons --version 1 missing.zip").refused(1, &["missing.zip cannot be read"]);
    publish("--tenant acme --sku icons --version 1 .").refused(2, &["--file-name must"]);
    publish("--tenant acme --sku icons --version 1").refused(2, &["FILE"]);
    let nobodys = "0190b6f0-0000-7000-8000-000000000000";
    publish(&format!("--tenant acme --sku icons --version 1 --file-name a --uploaded {nobodys}"))
        .refused(1, &["nothing was uploaded"]);
    assert!(shelf.objects().is_empty());
    assert_eq!(shelf.installation.count("SELECT count(*) FROM releases").await, 0);

    let Shelf { installation, store } = shelf;
    let endpoint = store.endpoint();
    store.stop().await;
    let mut program = installation.program();
    program.envs(installation.variables("http://127.0.0.1:1")).env("S3_ENDPOINT", endpoint);
    let line = "release publish --tenant acme --sku icons --version 1 icons.zip";
    let ran: Ran = program.args(line.split_whitespace()).output().unwrap().into();
    ran.refused(1, &["nothing was published: the object store could not be reached"]);
    assert_eq!(installation.count("SELECT count(*) FROM releases").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_upload_is_published_as_a_new_version() {
    let shelf = Shelf::new().await;
    shelf.file("icons.zip", "icons");
    let first = "release publish --tenant acme --sku icons --version 1.0 --json icons.zip";
    let release = shelf.run(first).expect(0).json()["id"].as_str().unwrap().to_owned();
    let tenant: String = sqlx::query_scalar("SELECT id::text FROM tenants WHERE slug = 'acme'")
        .fetch_one(&shelf.installation.pool)
        .await
        .unwrap();
    let uploads = shelf.installation.folder.path().join(format!("objects/private/tenants/{tenant}/uploads"));
    std::fs::create_dir_all(&uploads).unwrap();
    std::fs::write(uploads.join(&release), "newer icons").unwrap();
    let second = format!(
        "release publish --tenant acme --sku icons --version 1.1 --file-name icons-1.1.zip --uploaded {release}"
    );
    shelf.run(&second).expect(0);
    let mut objects = shelf.objects();
    objects.sort();
    assert_eq!(objects, [b"icons".to_vec(), b"newer icons".to_vec()], "the upload went into the release");
    let listed = shelf.run("release list --tenant acme --json").expect(0).json();
    assert_eq!((&listed[0]["version"], &listed[0]["fileName"]), (&json!("1.1"), &json!("icons-1.1.zip")));
}
