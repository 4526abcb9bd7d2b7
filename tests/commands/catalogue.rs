use serde_json::json;

use crate::harness::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_made_changed_and_left_as_it_is() {
    let installation = Installation::new().await;
    installation.run("tenant create acme --name Acme").expect(0);
    let missing = ["--kind is needed", "--name is needed", "--amount is needed", "--currency is needed"];
    installation.run("product upsert --tenant acme --sku pro").refused(2, &missing);
    let line = "product upsert --tenant acme --sku pro --kind licence --name Pro --amount 4900 --currency usd \
                --licence-days 365";
    let made = installation.json(line);
    assert_eq!(made["outcome"], "CREATED");
    let keys = ["sku", "kind", "name", "unitAmount", "currency", "active", "licenceDays"];
    let values = keys.map(|key| made[key].clone());
    assert_eq!(json!(values), json!(["pro", "LICENCE", "Pro", 4900, "USD", true, 365]));
    assert_eq!(installation.json(line)["outcome"], "UNCHANGED");

    let changed = installation.json("product upsert --tenant acme --sku pro --amount 5900 --inactive");
    assert_eq!(changed["outcome"], "UPDATED");
    let values = keys.map(|key| changed[key].clone());
    assert_eq!(
        json!(values),
        json!(["pro", "LICENCE", "Pro", 5900, "USD", false, 365]),
        "what is not given stays"
    );
    let endless = installation.json("product upsert --tenant acme --sku pro --licence-forever");
    assert_eq!(endless["licenceDays"], json!(null));
    let listed = installation.json("product list --tenant acme");
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &made["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_one_that_can_be_charged_in_its_currency() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let price = |amount: i64, currency: &str| {
        let of = format!("--kind SERVICE --name Priced --amount {amount} --currency {currency}");
        installation.run(&format!("product upsert --tenant acme --sku priced {of}"))
    };
    for (amount, currency, fault) in [
        (12_345, "KWD", "--amount must be a multiple of 10 in KWD"),
        (150, "ISK", "--amount must be a multiple of 100 in ISK"),
        (505, "UGX", "--amount must be a multiple of 100 in UGX"),
        (120_000_000, "HUF", "--amount must be at most 99999999 in HUF"),
        (1_000_000_000, "INR", "--amount must be at most 999999999 in INR"),
        (100, "XXX", "--currency must be a currency that Stripe supports"),
        (100, "CLF", "--currency must be a currency that Stripe supports"),
    ] {
        price(amount, currency).refused(2, &[fault]);
    }
    // The least charge is asked of totals.
    for (amount, currency) in [
        (10, "USD"),
        (12_340, "KWD"),
        (100, "ISK"),
        (500, "UGX"),
        (17_501, "HUF"),
        (5, "MGA"),
        (0, "EUR"),
        (999_999_999_999, "IDR"),
        (9_999_999_999, "COP"),
    ] {
        price(amount, currency).expect(0);
    }

    // What stands there from before a rule can be renamed and taken off sale, and not priced so again.
    installation
        .execute("UPDATE products SET unit_amount = 12345, currency = 'KWD' WHERE sku = 'priced'")
        .await;
    let upsert = |rest: &str| installation.run(&format!("product upsert --tenant acme --sku priced {rest}"));
    upsert("--name Renamed --inactive").expect(0);
    upsert("--amount 12345").refused(2, &["--amount must be a multiple of 10 in KWD"]);
    upsert("--amount 12340").expect(0);
    installation.execute("UPDATE products SET currency = 'CLF' WHERE sku = 'priced'").await;
    upsert("--amount 12340").refused(2, &["--currency is needed"]);
    upsert("--amount 12340 --currency OMR").expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_make_a_product_senseless_is_refused() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let wrong = "product upsert --tenant acme --sku -x --name= --currency UDS";
    let line = wrong.replace("--sku -x", "--sku=-x");
    installation
        .run(&line)
        .refused(2, &["--sku must", "--name must", "--currency must be a currency that Stripe"]);
    // Limits of an argument are told with the others', where the currency is given.
    installation
        .run("product upsert --tenant acme --sku=-x --amount 12345 --currency KWD")
        .refused(2, &["--sku must", "--amount must be a multiple of 10 in KWD"]);
    let upsert = |rest: &str| installation.run(&format!("product upsert --tenant acme {rest}"));
    upsert("--sku editor --amount=-1").refused(2, &["--amount"]);
    upsert("--sku editor --amount 100000000").refused(2, &["--amount must be at most 99999999 in USD"]);
    upsert("--sku editor --currency EUR").refused(2, &["--amount is needed"]);
    upsert("--sku icons --licence-days 3")
        .refused(2, &["--licence-days is for products of the kind LICENCE"]);
    upsert("--sku editor --active --inactive").refused(2, &["cannot be used with"]);
    upsert("--sku editor --currency EUR --amount 4500").expect(0);

    // Nothing hangs on it yet.
    assert_eq!(upsert("--sku icons --kind SERVICE --json").expect(0).json()["kind"], "SERVICE");
    installation.run("licence issue --tenant acme --sku editor").expect(0);
    upsert("--sku editor --kind SERVICE").refused(1, &["the kind cannot be changed", "LICENCE"]);
    let other = installation.json("product list --tenant other");
    let kinds: Vec<_> = other.as_array().unwrap().iter().map(|product| product["kind"].clone()).collect();
    assert_eq!(json!(kinds), json!(["SERVICE", "LICENCE", "DOWNLOAD"]), "another tenant's are not touched");
    assert!(other.as_array().unwrap().iter().all(|product| product["currency"] == "USD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licence_is_issued_used_shown_and_revoked() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    installation.run("user create --tenant acme --email jane@acme.test").expect(0);
    let issued =
        installation.json("licence issue --tenant acme --sku editor --email Jane@acme.test --days 30");
    let key = issued["key"].as_str().unwrap().to_owned();
    assert_eq!(issued["status"], "ACTIVE");
    assert_eq!(issued["ownerEmail"], "jane@acme.test");
    assert_eq!((&issued["activation"], &issued["orderNumber"]), (&json!(null), &json!(null)));

    let serving = installation.serve();
    let activate = async |fingerprint: &str| {
        let body = json!({"licKey": key, "fingerprint": fingerprint, "deviceName": "Laptop"});
        serving.post("acme.test", "/api/licences/activate", "", &body).await
    };
    activate("device-one").await.expect(201);
    let shown = installation.json(&format!("licence show --tenant acme {}", key.to_lowercase()));
    assert_eq!(shown["activation"]["fingerprint"], "device-one");
    let text = installation.run(&format!("licence show --tenant acme {key}")).expect(0).stdout;
    assert!(text.contains("active on  device-one") && text.contains("device     Laptop"), "{text}");
    let body = json!({"licKey": key, "fingerprint": "device-one"});
    serving.post("acme.test", "/api/licences/deactivate", "", &body).await.expect(200);
    activate("device-two").await.expect(201);
    let shown = installation.json(&format!("licence show --tenant acme {key}"));
    assert_eq!(shown["activation"]["fingerprint"], "device-two");
    assert_eq!(shown["endedActivations"][0]["fingerprint"], "device-one");

    for command in ["show", "revoke"] {
        let line = format!("licence {command} --tenant other {key}");
        installation.run(&line).refused(1, &["there is no such licence"]);
    }
    let revoked = installation.json(&format!("licence revoke --tenant acme {key}"));
    assert_eq!((revoked["status"].as_str(), revoked["changed"].as_bool()), (Some("REVOKED"), Some(true)));
    assert!(activate("device-two").await.is_refused(403, "LICENCE_REVOKED"), "from its commit on");
    let again = installation.run(&format!("licence revoke --tenant acme {key}")).expect(0);
    assert!(again.stderr.contains("already revoked"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licence_ends_as_the_product_or_the_operator_says() {
    let installation = Installation::new().await;
    installation.with_two_tenants().await;
    let issue =
        |rest: &str| installation.run(&format!("licence issue --tenant acme --sku editor --json {rest}"));
    let ends = |rest: &str| issue(rest).expect(0).json()["expiresAt"].clone();
    assert_eq!(ends(""), json!(null), "the product's do not end");
    assert_eq!(ends("--expires-at 2099-01-31T13:00:00+01:00"), "2099-01-31T12:00:00Z");
    assert_eq!(ends("--never-expires"), json!(null));
    installation.run("product upsert --tenant acme --sku editor --licence-days 10").expect(0);
    assert!(ends("").is_string() && ends("--days 3").is_string());
    assert_eq!(ends("--never-expires"), json!(null));
    issue("--expires-at 2020-01-01T00:00:00Z").refused(1, &["expired before it begins"]);
    for outside in ["1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"] {
        issue(&format!("--expires-at {outside}"))
            .refused(2, &["--expires-at must be from 2000-01-01 to 2199-12-31"]);
    }
    issue("--expires-at tomorrow --email jane").refused(2, &["--expires-at must be a time", "--email must"]);
    issue("--days 3 --never-expires").refused(2, &["cannot be used with"]);
    issue("--email nobody@acme.test").refused(1, &["no user has this e-mail address"]);
    installation.run("licence issue --tenant acme --sku icons").refused(1, &["it is a DOWNLOAD product"]);
    installation.run("licence issue --tenant acme --sku none").refused(1, &["there is no such product"]);
    installation.run("licence show --tenant acme LIC-1").refused(2, &["<KEY> must look like LIC-"]);
}
