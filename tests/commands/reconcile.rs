use serde_json::{Value, json};

use crate::harness::{Installation, Ran, STRIPE_KEY, until};
use crate::shop::Shop;

/// The command, with what it needs to ask the provider.
fn reconcile(installation: &Installation, stripe: &str, words: &[&str]) -> Ran {
    let mut program = installation.program();
    program.envs([
        ("NODE_ENV", "test"),
        ("STRIPE_SECRET_KEY", STRIPE_KEY),
        ("STRIPE_WEBHOOK_SECRET", "whsec_commands"),
        ("STRIPE_API_BASE", stripe),
    ]);
    program.arg("reconcile").args(words).output().unwrap().into()
}

async fn pay(shop: &Shop, started: &Value) {
    let session = started["checkout"]["sessionId"].as_str().unwrap();
    let url = format!("{}/_standin/sessions/{session}/pay", shop.stripe_base());
    let answer = reqwest::Client::new().post(url).json(&json!({"outcome": "paid"})).send().await.unwrap();
    assert!(answer.status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_orders_are_reconciled_by_hand_and_the_log_says_by_whom() {
    // The stand-in knows no address to send its events to: all are lost.
    let shop = Shop::open().await;
    let (installation, stripe) = (&shop.installation, shop.stripe_base().to_owned());
    let (paid, open) = (shop.check_out().await, shop.check_out().await);
    pay(&shop, &paid).await;
    let number = |started: &Value| started["order"]["number"].as_str().unwrap().to_owned();
    let one = ["--tenant", "acme", "--order", &number(&paid), "--json"];
    let done = reconcile(installation, &stripe, &one).expect(0).json();
    let wanted =
        json!([{"tenant": "acme", "orderNumber": number(&paid), "outcome": "PAID", "status": "PAID"}]);
    assert_eq!(done, wanted);
    let again = reconcile(installation, &stripe, &one).expect(0).json();
    assert_eq!((&again[0]["outcome"], &again[0]["status"]), (&json!("UNCHANGED"), &json!("PAID")));
    assert_eq!(installation.count("SELECT count(*) FROM receipts").await, 1);
    let intent =
        installation.text("SELECT provider_payment_intent_id FROM payments WHERE status = 'PAID'").await;
    let url = format!("{stripe}/_standin/payment_intents/{intent}/refund");
    assert!(reqwest::Client::new().post(url).json(&json!({})).send().await.unwrap().status().is_success());
    assert_eq!(
        reconcile(installation, &stripe, &["--tenant", "other", "--json"]).expect(0).json(),
        json!([])
    );
    assert_eq!(installation.count("SELECT count(*) FROM orders WHERE status = 'REFUNDED'").await, 0);
    let refund = reconcile(installation, &stripe, &one).expect(0).json();
    let wanted = json!([{"tenant": "acme", "orderNumber": number(&paid), "outcome": "REFUNDED", "status": "REFUNDED"}]);
    assert_eq!(refund, wanted, "a refund that was not heard of");
    let all = reconcile(installation, &stripe, &[]).expect(0);
    assert!(all.stdout.contains(&number(&open)) && all.stdout.contains("OPEN"), "{all:?}");
    assert_eq!(
        reconcile(installation, &stripe, &["--tenant", "other", "--json"]).expect(0).json(),
        json!([])
    );
    let by = "SELECT count(*) FROM audit_log WHERE action = 'order.status_changed' AND actor LIKE 'cli:%'";
    assert_eq!(installation.count(by).await, 2);

    let away = reconcile(installation, "http://127.0.0.1:1", &["--json"]).expect(1);
    assert!(away.stderr.contains("cannot be asked"), "{away:?}");
    reconcile(installation, &stripe, &["--order", &number(&open)]).refused(2, &["--tenant"]);
    reconcile(installation, &stripe, &["--tenant", "acme", "--order", "ORD-1"]).refused(2, &["--order"]);
    reconcile(installation, &stripe, &["--tenant", "acme", "--order", "ORD-20200101-ZZZZ"])
        .refused(1, &["has no order"]);
    installation.run("reconcile").refused(1, &["STRIPE_SECRET_KEY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_writes_are_in_the_audit_log_which_verifies() {
    let shop = Shop::open().await;
    let installation = &shop.installation;
    installation.json("tenant create shop --name Shop --domain shop.test");
    installation.json("tenant deactivate shop");
    installation.json("tenant deactivate shop");
    installation.json("tenant activate shop");
    installation.json("tenant add-domain shop www.shop.test");
    installation.json(
        "product upsert --tenant shop --sku editor --kind LICENCE --name Editor --amount 4900 --currency USD",
    );
    installation.json("product upsert --tenant shop --sku editor --amount 5900");
    installation.json("user create --tenant shop --email jane@shop.test");
    installation.json("user set-role --tenant shop --email jane@shop.test ADMIN");
    let licence = installation.json("licence issue --tenant shop --sku editor");
    installation.json(&format!("licence revoke --tenant shop {}", licence["key"].as_str().unwrap()));
    let actions: Vec<String> = sqlx::query_scalar(
        "SELECT l.action FROM audit_log l JOIN tenants t ON t.id = l.tenant_id
         WHERE t.slug = 'shop' AND l.actor LIKE 'cli:_%' ORDER BY l.at, l.id",
    )
    .fetch_all(&installation.pool)
    .await
    .unwrap();
    assert_eq!(
        actions,
        [
            "tenant.created",
            "tenant.deactivated",
            "tenant.activated",
            "tenant.domain_added",
            "product.created",
            "product.changed",
            "user.created",
            "user.role_changed",
            "licence.issued",
            "licence.status_changed",
        ]
    );
    until("the serving process seals", async || {
        installation.count("SELECT count(*) FROM audit_unsealed").await == 0
    })
    .await;
    let report = installation.json("audit verify --tenant shop");
    assert_eq!((&report["ok"], &report["sealed"], &report["waiting"]), (&json!(true), &json!(10), &json!(0)));
    let head = format!("{}:{}", report["head"]["position"], report["head"]["hash"].as_str().unwrap());
    installation.run(&format!("audit verify --tenant shop --head {head}")).expect(0);
    installation.run("audit verify --tenant shop --head 3").refused(2, &["--head"]);

    installation
        .execute(
            "SET session_replication_role = replica;
             UPDATE audit_log SET after = '{\"role\":\"CUSTOMER\"}' WHERE action = 'user.role_changed';
             SET session_replication_role = origin",
        )
        .await;
    let found = installation.run("audit verify --tenant shop").expect(1);
    assert!(found.stdout.contains("CHANGED") && found.stderr.contains("1 findings"), "{found:?}");
    installation.run("audit verify --tenant other").expect(0);
}
