use serde_json::json;

use crate::shop::{Shop, event};

#[tokio::test(flavor = "multi_thread")]
async fn failed_events_are_listed_and_run_again() {
    let shop = Shop::open().await;
    let installation = &shop.installation;
    assert_eq!(installation.json("webhook list"), json!([]));
    shop.buy().await;
    let started = shop.check_out().await;
    let wrong = event(&started, "checkout.session.completed", "paid", 1);
    let id = wrong["id"].as_str().unwrap();
    shop.deliver(&wrong).await.expect(200);

    let all = installation.json("webhook list");
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["providerEventId"], id, "newest first");
    let failed = installation.json("webhook list --status failed --tenant acme");
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(failed[0]["status"], "FAILED");
    assert_eq!(failed[0]["tenant"], "acme");
    assert!(failed[0]["lastError"].is_string(), "{failed}");
    assert_eq!(installation.json("webhook list --tenant other"), json!([]));
    let one = installation.run("webhook list --limit 1").expect(0);
    assert!(one.stdout.contains(id) && one.stderr.contains("only the newest 1"), "{one:?}");
    assert_eq!(one.stdout.lines().count(), 2);

    // Nothing has changed: it fails again, and the exit code says so.
    let again = installation.run(&format!("webhook retry {id} --json")).expect(1);
    assert!(again.stderr.contains("1 of 1 failed again"), "{again:?}");
    let again = again.json();
    assert_eq!((&again[0]["outcome"], &again[0]["event"]["attempts"]), (&json!("FAILED"), &json!(2)));

    // The amount is put right, as after a mistake in the program.
    let total = started["order"]["total"].as_i64().unwrap();
    let right = event(&started, "checkout.session.completed", "paid", total);
    installation
        .execute(&format!(
            "UPDATE webhook_events SET payload = replace('{right}', '{}', '{id}')::json WHERE provider_event_id = '{id}'",
            right["id"].as_str().unwrap()
        ))
        .await;
    let done = installation.json("webhook retry --all-failed");
    assert_eq!(done[0]["providerEventId"], id);
    assert_eq!(
        (&done[0]["outcome"], &done[0]["event"]["status"]),
        (&json!("PROCESSED"), &json!("PROCESSED"))
    );
    let number = started["order"]["number"].as_str().unwrap();
    let paid = format!("SELECT count(*) FROM orders WHERE number = '{number}' AND status = 'PAID'");
    assert_eq!(installation.count(&paid).await, 1);

    assert_eq!(installation.json("webhook retry --all-failed"), json!([]));
    let unchanged = installation.json(&format!("webhook retry {id}"));
    assert_eq!(unchanged[0]["outcome"], "UNCHANGED", "what was done is not done twice");
    assert_eq!(installation.count("SELECT count(*) FROM receipts").await, 2);
    installation.run("webhook retry evt_none").refused(1, &["there is no event evt_none"]);
    installation.run("webhook retry").refused(2, &["EVENT_ID"]);
    installation.run(&format!("webhook retry {id} --all-failed")).refused(2, &["cannot be used with"]);
    installation.run("webhook list --limit 0").refused(2, &["--limit"]);
}
