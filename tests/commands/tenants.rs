use sqlx::Connection;
use url::Url;

use crate::harness::{Installation, new_database, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_listed_and_told_apart() {
    let installation = Installation::new().await;
    let none = installation.run("tenant list").expect(0);
    assert_eq!(none.stdout, "no tenants\n");
    let made = installation
        .run_words(&[
            "tenant",
            "create",
            "acme",
            "--name",
            "Acme Ltd",
            "--domain",
            "Shop.ACME.com:443",
            "--domain",
            "shop.acme.com",
            "--address",
            "1 Main Street",
            "--address",
            "Springfield",
            "--json",
        ])
        .expect(0)
        .json();
    assert_eq!(made["slug"], "acme");
    assert_eq!(made["name"], "Acme Ltd");
    assert_eq!(made["active"], true);
    assert_eq!(made["domains"], serde_json::json!(["shop.acme.com"]), "folded as requests' hosts are");
    assert_eq!(made["address"], serde_json::json!(["1 Main Street", "Springfield"]));
    let listed = installation.json("tenant list");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], made["id"]);
    let table = installation.run("tenant list").expect(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("SLUG  NAME      ACTIVE  HOSTS"), "{table}");
    assert!(lines[1].starts_with("acme  Acme Ltd  yes     shop.acme.com"), "{table}");

    installation.run("tenant create acme --name Again").refused(1, &["there is a tenant acme already"]);
    let taken = "tenant create other --name Other --domain shop.acme.com --domain other.test";
    installation.run(taken).refused(1, &["shop.acme.com belongs to the tenant acme"]);
    assert_eq!(installation.json("tenant list").as_array().unwrap().len(), 1, "all or nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_a_tenant_is_told_at_once() {
    let installation = Installation::new().await;
    let words = [
        "tenant",
        "create",
        "Bad Slug",
        "--name",
        "",
        "--domain",
        "http://a/b",
        "--domain",
        "bücher.example",
        "--address",
        "a\nb",
    ];
    let wanted = ["<SLUG> must", "--name must", "http://a/b", "bücher.example", "--address must"];
    installation.run_words(&words).refused(2, &wanted);
    assert_eq!(installation.count("SELECT count(*) FROM tenants").await, 0);
    installation.run("tenant create acme").refused(2, &["--name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_belongs_to_one_tenant() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let added = installation.json("tenant add-domain acme WWW.Acme.Test");
    assert_eq!(added["domains"], serde_json::json!(["acme.test", "www.acme.test"]));
    assert_eq!(added["changed"], true);
    assert_eq!(installation.json("tenant add-domain acme www.acme.test")["changed"], false);
    installation
        .run("tenant add-domain other www.acme.test")
        .refused(1, &["www.acme.test belongs to the tenant acme already"]);
    installation.run("tenant add-domain nobody x.test").refused(1, &["there is no tenant nobody"]);
    installation.run("tenant add-domain acme https://x.test/").refused(2, &["<HOST> must be a host name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_may_lead_back_to_what_the_operator_allows() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let allowed = installation.json("tenant allow-origin acme HTTPS://WWW.Acme.Example:443/");
    assert_eq!(
        allowed["returnOrigins"],
        serde_json::json!(["https://www.acme.example"]),
        "as browsers write it"
    );
    assert_eq!(allowed["changed"], true);
    assert_eq!(installation.json("tenant allow-origin acme https://www.acme.example")["changed"], false);
    installation.json("tenant allow-origin acme http://localhost:5173");
    let listed = installation.json("tenant list");
    let origins = |slug: &str| {
        let tenants = listed.as_array().unwrap();
        tenants.iter().find(|tenant| tenant["slug"] == slug).unwrap()["returnOrigins"].clone()
    };
    assert_eq!(origins("acme"), serde_json::json!(["http://localhost:5173", "https://www.acme.example"]));
    assert_eq!(origins("other"), serde_json::json!([]));
    let left = installation.json("tenant disallow-origin acme https://www.acme.example");
    assert_eq!(left["returnOrigins"], serde_json::json!(["http://localhost:5173"]));
    assert_eq!(installation.json("tenant disallow-origin acme https://www.acme.example")["changed"], false);
    for wrong in [
        "www.acme.example",
        "https://a.example/path",
        "https://a.example?x",
        "ftp://a.example",
        "https://u@a.example",
        "*",
    ] {
        let line = format!("tenant allow-origin acme {wrong}");
        installation.run(&line).refused(2, &["<ORIGIN> must be a scheme and a host"]);
    }
    installation
        .run("tenant allow-origin nobody https://a.example")
        .refused(1, &["there is no tenant nobody"]);
    installation
        .execute("UPDATE tenants SET return_origins = ARRAY(SELECT 'https://o' || n || '.example' FROM generate_series(1, 50) n)")
        .await;
    installation.run("tenant allow-origin acme https://a.example").refused(1, &["at most 50"]);
    let entries =
        "SELECT count(*) FROM audit_log WHERE action LIKE 'tenant.return_origin_%' AND actor LIKE 'cli:%'";
    assert_eq!(installation.count(entries).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_says_of_itself_is_set_by_the_operator() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let set = installation
        .run_words(&[
            "tenant",
            "set",
            "acme",
            "--name",
            "Acme GmbH",
            "--address",
            "Hauptstr. 1",
            "--address",
            "10115 Berlin",
            "--tax-id",
            "DE 123456789",
            "--site-url",
            "HTTPS://Shop.Acme.Example:443/en/",
            "--reply-to",
            "Help@Acme.Example",
            "--json",
        ])
        .expect(0)
        .json();
    let of_acme = |listed: &serde_json::Value| {
        let tenants = listed.as_array().unwrap();
        tenants.iter().find(|tenant| tenant["slug"] == "acme").unwrap().clone()
    };
    let wanted = serde_json::json!({
        "name": "Acme GmbH", "address": ["Hauptstr. 1", "10115 Berlin"], "taxId": "DE 123456789",
        "siteUrl": "https://shop.acme.example/en", "replyTo": "help@acme.example"
    });
    for tenant in [&set, &of_acme(&installation.json("tenant list"))] {
        for (member, value) in wanted.as_object().unwrap() {
            assert_eq!(&tenant[member], value, "{member}");
        }
    }
    assert_eq!(set["changed"], true);
    let again = installation.json("tenant set acme --site-url https://shop.acme.example/en");
    assert_eq!(again["changed"], false);

    let cleared = installation
        .run_words(&[
            "tenant",
            "set",
            "acme",
            "--tax-id",
            "",
            "--site-url",
            "",
            "--reply-to",
            "",
            "--address",
            "",
            "--json",
        ])
        .expect(0)
        .json();
    assert_eq!(cleared["name"], "Acme GmbH", "what is not named stays");
    assert_eq!(cleared["address"], serde_json::json!([]));
    for member in ["taxId", "siteUrl", "replyTo"] {
        assert!(cleared[member].is_null(), "{cleared}");
    }
    let entries: Vec<(serde_json::Value, serde_json::Value)> = sqlx::query_as(
        "SELECT before::jsonb, after::jsonb FROM audit_log
         WHERE action = 'tenant.changed' AND actor LIKE 'cli:%' ORDER BY at",
    )
    .fetch_all(&mut sqlx::PgConnection::connect(&installation.database_url).await.unwrap())
    .await
    .unwrap();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0].1, wanted);
    assert_eq!(entries[0].0["siteUrl"], serde_json::Value::Null);
    assert!(entries[1].1.get("name").is_none(), "what was not changed is not told: {entries:?}");

    installation.run("tenant set nobody --name X").refused(1, &["there is no tenant nobody"]);
    installation.run("tenant set acme").refused(2, &["what is to be set"]);
    let words = [
        "tenant",
        "set",
        "acme",
        "--name",
        "",
        "--address",
        "a\nb",
        "--tax-id",
        "a\tb",
        "--site-url",
        "https://a.example/?x",
        "--reply-to",
        "nobody",
    ];
    let wanted = ["--name must", "--address must", "--tax-id must", "--site-url must", "--reply-to must"];
    installation.run_words(&words).refused(2, &wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serving_process_follows_each_change_of_a_tenant() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let serving = installation.serve();
    let me = async |host: &str| serving.get(host, "/api/auth/me", "").await;
    assert!(me("acme.test").await.is_refused(401, "AUTH_REQUIRED"), "{:?}", me("acme.test").await);

    let off = installation.json("tenant deactivate acme");
    assert_eq!((off["active"].as_bool(), off["changed"].as_bool()), (Some(false), Some(true)));
    until("the tenant is off", async || me("acme.test").await.is_refused(403, "TENANT_INACTIVE")).await;
    assert!(me("other.test").await.is_refused(401, "AUTH_REQUIRED"), "the other one goes on");
    assert_eq!(installation.json("tenant deactivate acme")["changed"], false);

    installation.run("tenant activate acme").expect(0);
    until("the tenant is on", async || me("acme.test").await.is_refused(401, "AUTH_REQUIRED")).await;

    let bookings = async |host: &str| serving.get(host, "/api/admin/bookings", "").await;
    let off = installation.json("tenant switch-off acme bookings");
    assert_eq!(off["switchedOffModules"], serde_json::json!(["bookings"]));
    until("the module is off", async || bookings("acme.test").await.is_refused(404, "NOT_FOUND")).await;
    assert!(bookings("other.test").await.is_refused(401, "AUTH_REQUIRED"), "the other one has it");
    assert_eq!(installation.json("tenant switch-off acme bookings")["changed"], false);
    installation.run("tenant switch-off acme platform").refused(2, &["<MODULE> must be one of", "bookings"]);
    installation.run("tenant switch-on acme bookings").expect(0);
    until("the module is on", async || bookings("acme.test").await.is_refused(401, "AUTH_REQUIRED")).await;

    let unknown = me("new.test").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    installation.run("tenant add-domain acme new.test").expect(0);
    until("the host is known", async || me("new.test").await.is_refused(401, "AUTH_REQUIRED")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_of_the_schema_needs_no_superuser_s_rights() {
    // The role of the application is there from here on.
    let first = Installation::new().await;
    let role = format!("owner_{}", primetech_actors::random::opaque_id().simple());
    first
        .execute(&format!(
            "CREATE ROLE {role} LOGIN CREATEROLE PASSWORD 'owner'; GRANT primetech_app TO {role} WITH ADMIN OPTION"
        ))
        .await;
    let mut url = Url::parse(&new_database(&format!("OWNER {role}")).await).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("owner")).unwrap();
    let mut owned = Installation::without_schema().await;
    owned.database_url = url.clone().into();
    owned.run("migrate").expect(0);
    for slug in ["acme", "other"] {
        owned.run(&format!("tenant create {slug} --name {slug} --domain {slug}.test")).expect(0);
    }
    let product =
        "product upsert --tenant acme --sku editor --kind LICENCE --name Editor --amount 4900 --currency USD";
    owned.run(product).expect(0);
    owned.run("tenant add-domain acme www.acme.test").expect(0);
    owned.run("tenant add-domain other www.acme.test").refused(1, &["belongs to the tenant acme already"]);
    owned.run("tenant deactivate other").expect(0);
    owned.run("user create --tenant acme --email jane@acme.test").expect(0);
    owned.run("licence issue --tenant acme --sku editor --email jane@acme.test").expect(0);
    owned.run("audit numbers --tenant acme --year 2026").expect(0);

    // A role that may do what the application may, and no more.
    let role = format!("user_{}", primetech_actors::random::opaque_id().simple());
    first.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'user'; GRANT primetech_app TO {role}")).await;
    url.set_username(&role).unwrap();
    url.set_password(Some("user")).unwrap();
    assert!(sqlx::PgConnection::connect(url.as_str()).await.is_ok());
    owned.database_url = url.into();
    owned.run("tenant deactivate acme").refused(1, &["may not write tenants", "ran the migrations"]);
    owned.run("user create --tenant acme --email joe@acme.test").expect(0);
}
